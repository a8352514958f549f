/* A large JSON array, element after element. A few hundred at a time are parsed by all threads and
 * handed out in their order. */
#include "json_internal.h"

#include <string.h>

enum { BATCH = 256 };

typedef struct part {
    const char *text;
    size_t size, line;
    rp_json *value;
    rp_status status;
    rp_error err;
} part;

typedef struct scanner {
    const char *origin, *text, *at, *end;
    size_t line; /* of at, within the array */
    part *parts;
    size_t part_count;
    rp_error *err;
} scanner;

static void skip_space(scanner *s)
{
    for (; s->at < s->end && *s->at && strchr(" \t\r\n", *s->at); s->at++)
        s->line += *s->at == '\n';
}

/* Behind the string that starts here. */
static void skip_string(scanner *s)
{
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
        if (*s->at == '\\' && s->at + 1 < s->end) s->at++;
    if (s->at < s->end) s->at++;
}

/* Behind the opening bracket of the array that is the outermost object's member of that key; false
 * where there is none, as far as can be told of text that may be no JSON. */
static bool find_array(scanner *s, const char *key)
{
    int depth = 0;
    const size_t length = strlen(key);
    while (s->at < s->end) {
        const char *start = s->at;
        if (*start != '"') {
            depth += *start == '{' || *start == '[' ? 1 : *start == '}' || *start == ']' ? -1 : 0;
            s->line += *start == '\n';
            s->at++;
            continue;
        }
        skip_string(s);
        const bool same =
            (size_t)(s->at - start) == length + 2 && memcmp(start + 1, key, length) == 0;
        if (depth != 1 || !same) continue;
        skip_space(s);
        if (s->at == s->end || *s->at != ':') continue;
        s->at++;
        skip_space(s);
        if (s->at == s->end || *s->at != '[') return false;
        s->at++;
        return true;
    }
    return false;
}

/* Up to the comma or bracket behind the element. Of text that is no JSON this is some part of it,
 * which the parser will not take. */
static void skip_element(scanner *s)
{
    int depth = 0;
    while (s->at < s->end) {
        const char c = *s->at;
        if (c == '"') {
            skip_string(s);
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']')) return;
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        s->line += c == '\n';
        s->at++;
    }
}

static void parse_one(void *context, size_t task, int worker)
{
    const scanner *s = context;
    part *p = &s->parts[task];
    (void)worker;
    p->status = rp_json_parse_part(s->origin, p->line, p->text, p->size, &p->value, &p->err);
}

static void destroy_one(void *context, size_t task, int worker)
{
    const scanner *s = context;
    (void)worker;
    rp_json_destroy(s->parts[task].value);
}

static rp_status hand_out(scanner *s, size_t first, rp_json_item item, void *context)
{
    rp_status status = RP_OK;
    rp_parallel_for(s->part_count, parse_one, s);
    for (size_t i = 0; !status && i < s->part_count; i++) {
        const part *p = &s->parts[i];
        status = p->status ? rp_fail(s->err, p->status, "%s", p->err.message)
                           : item(context, first + i, p->value, s->err);
    }
    rp_parallel_for(s->part_count, destroy_one, s);
    s->part_count = 0;
    return status;
}

static rp_status scan_array(scanner *s, rp_json_item item, void *context)
{
    size_t count = 0;
    skip_space(s);
    bool more = s->at == s->end || *s->at != ']';
    while (more) {
        skip_space(s);
        const char *start = s->at;
        const size_t line = s->line;
        skip_element(s);
        s->parts[s->part_count++] =
            (part){.text = start, .size = (size_t)(s->at - start), .line = line};
        more = s->at < s->end && *s->at == ',';
        if (more) s->at++;
        if (more && s->part_count < BATCH) continue;
        const size_t parts = s->part_count;
        rp_status status = hand_out(s, count, item, context);
        if (status) return status;
        count += parts;
    }
    if (s->at < s->end) return RP_OK;
    return rp_fail(s->err, RP_ERR_FORMAT, "%s: line %zu: ',' or ']' expected near end of file",
                   s->origin, s->line);
}

/* What stands round the array, parsed with an empty one in its place. */
static rp_status check_rest(const scanner *s, const char *from)
{
    const size_t before = (size_t)(from - s->text), after = (size_t)(s->end - s->at);
    rp_json *rest = NULL;
    RP_AUTOFREE char *text = rp_alloc(before + after + 1, 1);
    if (!text) return rp_fail(s->err, RP_ERR_MEMORY, "%s: out of memory", s->origin);
    memcpy(text, s->text, before);
    memcpy(text + before, s->at, after);
    rp_status status = rp_json_parse_buffer(s->origin, text, before + after, &rest, s->err);
    rp_json_destroy(rest);
    return status;
}

rp_status rp_json_read_each(const char *path, const char *key, rp_json_item item, void *context,
                            rp_error *err)
{
    RP_AUTOFREE uint8_t *data = NULL;
    RP_AUTOFREE part *parts = rp_alloc(BATCH, sizeof *parts);
    size_t size = 0;
    rp_json *whole = NULL;
    if (!parts) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    rp_status status = rp_file_read(path, &data, &size, err);
    if (status) return status;
    const char *text = (const char *)data;
    scanner s = {.origin = path,
                 .text = text,
                 .at = text,
                 .end = text + size,
                 .line = 1,
                 .parts = parts,
                 .err = err};
    if (find_array(&s, key)) {
        const char *from = s.at;
        status = scan_array(&s, item, context);
        return status ? status : check_rest(&s, from);
    }
    status = rp_json_parse_buffer(path, data, size, &whole, err);
    if (!status) status = item(context, 0, whole, err);
    rp_json_destroy(whole);
    return status;
}
