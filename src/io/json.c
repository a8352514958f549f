/* JSON trees. Parsing is jansson's. The tree and its text are ours: jansson 2.14 prints 0.1 as
 * 0.10000000000000001, and its builders have nowhere to remember that an allocation failed. */
#include "json_internal.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

typedef enum json_kind {
    KIND_NULL,
    KIND_BOOL,
    KIND_INT,
    KIND_NUMBER,
    KIND_STRING,
    KIND_ARRAY,
    KIND_OBJECT
} json_kind;

/* Memory of a tree that was read: its pieces are many, small, and end together. */
typedef struct pool {
    struct pool *before;
    size_t used, size;
    char bytes[];
} pool;

struct rp_json {
    json_kind kind;
    bool failed; /* an allocation on the way to this tree gave nothing */
    /* Whether the value with its string, its key and its items lie in the root's pool; what is set
     * later in a tree that was read does not. */
    bool pooled, key_pooled, items_pooled;
    pool *pool; /* of the root of a tree that was read */
    char *key;  /* of this value within its object; else NULL */
    union {
        bool boolean;
        int64_t integer;
        double number;
        char *string;
    } as;
    rp_json **items;
    size_t count, room;
};

/* ---- strings ----------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 sequence at p, 0 where there is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4) return 0;
    size_t length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    unsigned char low = 0x80, high = 0xBF;
    if (p[0] == 0xE0) low = 0xA0;  /* overlong */
    if (p[0] == 0xED) high = 0x9F; /* surrogates */
    if (p[0] == 0xF0) low = 0x90;  /* overlong */
    if (p[0] == 0xF4) high = 0x8F; /* above U+10FFFF */
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return length;
}

/* Bytes of the copy below. */
static size_t utf8_size(const char *text)
{
    size_t size = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t length = utf8_length(p);
        size += length ? length : 3;
        p += length ? length : 1;
    }
    return size;
}

/* A copy in which bytes that are no UTF-8 became U+FFFD: file names may hold anything. */
static char *copy_utf8(const char *text)
{
    char *copy = rp_alloc_small(utf8_size(text) + 1, 1);
    if (!copy) return NULL;
    char *to = copy;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t length = utf8_length(p);
        memcpy(to, length ? (const char *)p : "\xEF\xBF\xBD", length ? length : 3);
        to += length ? length : 3;
        p += length ? length : 1;
    }
    return copy;
}

/* ---- building ---------------------------------------------------------------------------- */

static rp_json *make(json_kind kind)
{
    rp_json *value = rp_alloc_small(1, sizeof *value);
    if (value) value->kind = kind;
    return value;
}

static rp_json *make_number(double number)
{
    rp_json *value = make(isfinite(number) ? KIND_NUMBER : KIND_NULL);
    if (value && value->kind == KIND_NUMBER) value->as.number = number;
    return value;
}

static rp_json *make_int(int64_t integer)
{
    rp_json *value = make(KIND_INT);
    if (value) value->as.integer = integer;
    return value;
}

static rp_json *make_bool(bool boolean)
{
    rp_json *value = make(KIND_BOOL);
    if (value) value->as.boolean = boolean;
    return value;
}

static rp_json *make_string(const char *text)
{
    if (!text) return make(KIND_NULL);
    rp_json *value = make(KIND_STRING);
    if (!value) return NULL;
    value->as.string = copy_utf8(text);
    if (value->as.string) return value;
    rp_json_destroy(value);
    return NULL;
}

rp_json *rp_json_object(void)
{
    return make(KIND_OBJECT);
}

rp_json *rp_json_array(void)
{
    return make(KIND_ARRAY);
}

static void free_pool(pool *block)
{
    while (block) {
        pool *before = block->before;
        rp_free(block);
        block = before;
    }
}

void rp_json_destroy(rp_json *value)
{
    if (!value) return;
    for (size_t i = 0; i < value->count; i++) rp_json_destroy(value->items[i]);
    if (!value->items_pooled) rp_free(value->items);
    if (!value->key_pooled) rp_free(value->key);
    if (value->pooled) {
        free_pool(value->pool);
        return;
    }
    if (value->kind == KIND_STRING) rp_free(value->as.string);
    rp_free(value);
}

static bool push(rp_json *parent, rp_json *child)
{
    if (parent->count == parent->room) {
        size_t room = parent->room ? 2 * parent->room : 8;
        rp_json **items = rp_alloc_small(room, sizeof *items);
        if (!items) return false;
        if (parent->count) memcpy(items, parent->items, parent->count * sizeof *items);
        if (!parent->items_pooled) rp_free(parent->items);
        parent->items = items;
        parent->items_pooled = false;
        parent->room = room;
    }
    parent->items[parent->count++] = child;
    return true;
}

static size_t find(const rp_json *object, const char *key)
{
    size_t i = 0;
    while (i < object->count && strcmp(object->items[i]->key, key) != 0) i++;
    return i;
}

void rp_json_set(rp_json *object, const char *key, rp_json *child)
{
    char *own_key = NULL;
    if (!object || object->kind != KIND_OBJECT || !child) goto failed;
    own_key = copy_utf8(key);
    if (!own_key) goto failed;
    size_t at = find(object, own_key);
    if (at < object->count) {
        rp_json_destroy(object->items[at]);
        object->items[at] = child;
    } else if (!push(object, child)) {
        goto failed;
    }
    child->key = own_key;
    return;
failed:
    rp_free(own_key);
    rp_json_destroy(child);
    if (object) object->failed = true;
}

void rp_json_append(rp_json *array, rp_json *child)
{
    if (array && array->kind == KIND_ARRAY && child && push(array, child)) return;
    rp_json_destroy(child);
    if (array) array->failed = true;
}

void rp_json_set_number(rp_json *object, const char *key, double value)
{
    rp_json_set(object, key, make_number(value));
}

void rp_json_set_int(rp_json *object, const char *key, int64_t value)
{
    rp_json_set(object, key, make_int(value));
}

void rp_json_set_bool(rp_json *object, const char *key, bool value)
{
    rp_json_set(object, key, make_bool(value));
}

void rp_json_set_string(rp_json *object, const char *key, const char *value)
{
    rp_json_set(object, key, make_string(value));
}

void rp_json_set_numbers(rp_json *object, const char *key, const double *values, size_t count)
{
    rp_json *array = rp_json_array();
    for (size_t i = 0; i < count; i++) rp_json_append_number(array, values[i]);
    rp_json_set(object, key, array);
}

void rp_json_append_number(rp_json *array, double value)
{
    rp_json_append(array, make_number(value));
}

void rp_json_append_int(rp_json *array, int64_t value)
{
    rp_json_append(array, make_int(value));
}

void rp_json_append_string(rp_json *array, const char *value)
{
    rp_json_append(array, make_string(value));
}

/* ---- text -------------------------------------------------------------------------------- */

typedef struct writer {
    char *data;
    size_t length, room;
    bool compact, failed;
} writer;

static void put_bytes(writer *w, const char *bytes, size_t size)
{
    if (w->failed) return;
    if (w->room - w->length <= size) {
        size_t room = 2 * (w->room + size) + 256;
        char *data = rp_alloc(room, 1);
        if (!data) {
            w->failed = true;
            return;
        }
        if (w->length) memcpy(data, w->data, w->length);
        rp_free(w->data);
        w->data = data;
        w->room = room;
    }
    memcpy(w->data + w->length, bytes, size);
    w->length += size;
}

static void put(writer *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

static void put_line_break(writer *w, int depth)
{
    if (w->compact) return;
    put(w, "\n");
    for (int i = 0; i < depth; i++) put(w, "  ");
}

/* Beyond what JSON asks for, what a terminal must not be shown is escaped too, since results are
 * read on terminals; a byte that is no UTF-8, as names of files may hold, is the replacement
 * character. */
static size_t put_character(writer *w, const char *text, size_t length)
{
    static const char short_escapes[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *known = strchr(short_escapes, *text);
    char shown[RP_TEXT_SHOWN];
    if (known) {
        snprintf(shown, sizeof shown, "\\%c", letters[known - short_escapes]);
        put(w, shown);
        return 1;
    }
    const size_t size = rp_text_show(shown, text, length);
    put(w, !size || shown[1] == 'x' ? "\\ufffd" : shown);
    return size ? size : length;
}

static void put_string(writer *w, const char *text)
{
    put(w, "\"");
    for (const char *p = text, *end = text + strlen(text); p < end;) {
        const char *start = p;
        while ((unsigned char)(*p - 0x20) < 0x5F && *p != '"' && *p != '\\') p++;
        put_bytes(w, start, (size_t)(p - start));
        if (p < end) p += put_character(w, p, (size_t)(end - p));
    }
    put(w, "\"");
}

/* The shortest decimal that reads back as the same double. */
static void put_number(writer *w, double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    char *comma = strchr(text, ','); /* a locale's decimal sign */
    if (comma) *comma = '.';
    put(w, text);
    if (!strpbrk(text, ".e")) put(w, ".0"); /* stays a real number when read back */
}

static bool all_scalars(const rp_json *array)
{
    for (size_t i = 0; i < array->count; i++)
        if (array->items[i]->kind >= KIND_ARRAY) return false;
    return true;
}

static void put_value(writer *w, const rp_json *value, int depth);

static void put_container(writer *w, const rp_json *value, int depth)
{
    bool object = value->kind == KIND_OBJECT, one_line = !object && all_scalars(value);
    put(w, object ? "{" : "[");
    for (size_t i = 0; i < value->count; i++) {
        if (i) put(w, one_line && !w->compact ? ", " : ",");
        if (!one_line) put_line_break(w, depth + 1);
        if (object) {
            put_string(w, value->items[i]->key);
            put(w, w->compact ? ":" : ": ");
        }
        put_value(w, value->items[i], depth + 1);
    }
    if (value->count && !one_line) put_line_break(w, depth);
    put(w, object ? "}" : "]");
}

static void put_value(writer *w, const rp_json *value, int depth)
{
    char text[24];
    if (value->failed) w->failed = true;
    switch (value->kind) {
    case KIND_NULL:
        put(w, "null");
        break;
    case KIND_BOOL:
        put(w, value->as.boolean ? "true" : "false");
        break;
    case KIND_INT:
        snprintf(text, sizeof text, "%" PRId64, value->as.integer);
        put(w, text);
        break;
    case KIND_NUMBER:
        put_number(w, value->as.number);
        break;
    case KIND_STRING:
        put_string(w, value->as.string);
        break;
    case KIND_ARRAY:
    case KIND_OBJECT:
        put_container(w, value, depth);
        break;
    }
}

static char *finish_text(writer *w, const rp_json *value, const char *tail)
{
    if (!value) return NULL;
    put_value(w, value, 0);
    put_bytes(w, tail, strlen(tail) + 1);
    if (!w->failed) return w->data;
    rp_free(w->data);
    return NULL;
}

char *rp_json_text(const rp_json *value)
{
    writer w = {0};
    return finish_text(&w, value, "\n");
}

char *rp_json_compact_text(const rp_json *value)
{
    writer w = {.compact = true};
    return finish_text(&w, value, "");
}

rp_status rp_json_write(const char *path, const rp_json *value, rp_error *err)
{
    RP_AUTOFREE char *text = rp_json_text(value);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory for the JSON text", path);
    return rp_file_write(path, text, strlen(text), err);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void *take(pool **blocks, size_t size)
{
    enum { FIRST = 4032, LARGEST = 1 << 20 };
    const size_t rounded = (size + sizeof(double) - 1) / sizeof(double) * sizeof(double);
    pool *block = *blocks;
    if (!block || block->size - block->used < rounded) {
        size_t room = block ? 2 * block->size : FIRST;
        if (room > LARGEST) room = LARGEST;
        if (room < rounded) room = rounded;
        block = rp_alloc_small(1, sizeof *block + room);
        if (!block) return NULL;
        *block = (pool){.before = *blocks, .size = room};
        *blocks = block;
    }
    void *piece = block->bytes + block->used;
    block->used += rounded;
    return piece;
}

/* jansson takes UTF-8 without zeros only. */
static char *take_text(pool **blocks, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = take(blocks, size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

static bool fill(rp_json *value, json_t *from, pool **blocks);

static rp_json *adopt(json_t *from, pool **blocks)
{
    rp_json *value = take(blocks, sizeof *value);
    if (!value) return NULL;
    value->pooled = value->items_pooled = true;
    return fill(value, from, blocks) ? value : NULL;
}

static bool adopt_children(rp_json *value, json_t *from, pool **blocks)
{
    size_t index;
    const char *key;
    json_t *item;
    const size_t count = json_is_array(from) ? json_array_size(from) : json_object_size(from);
    if (!count) return true;
    value->items = take(blocks, count * sizeof(rp_json *));
    if (!value->items) return false;
    value->room = count;
    json_array_foreach(from, index, item)
    {
        if (!(value->items[value->count] = adopt(item, blocks))) return false;
        value->count++;
    }
    json_object_foreach(from, key, item)
    {
        rp_json *child = adopt(item, blocks);
        if (!child || !(child->key = take_text(blocks, key))) return false;
        child->key_pooled = true;
        value->items[value->count++] = child;
    }
    return true;
}

static bool fill(rp_json *value, json_t *from, pool **blocks)
{
    switch (json_typeof(from)) {
    case JSON_NULL:
        value->kind = KIND_NULL;
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        value->kind = KIND_BOOL;
        value->as.boolean = json_is_true(from);
        return true;
    case JSON_INTEGER:
        value->kind = KIND_INT;
        value->as.integer = json_integer_value(from);
        return true;
    case JSON_REAL:
        value->kind = KIND_NUMBER;
        value->as.number = json_real_value(from);
        return true;
    case JSON_STRING:
        value->kind = KIND_STRING;
        value->as.string = take_text(blocks, json_string_value(from));
        return value->as.string != NULL;
    case JSON_ARRAY:
        value->kind = KIND_ARRAY;
        return adopt_children(value, from, blocks);
    case JSON_OBJECT:
        value->kind = KIND_OBJECT;
        return adopt_children(value, from, blocks);
    }
    return false;
}

static rp_json *from_jansson(json_t *from)
{
    pool *blocks = NULL;
    rp_json *root = adopt(from, &blocks);
    if (root)
        root->pool = blocks;
    else
        free_pool(blocks);
    return root;
}

rp_status rp_json_parse_part(const char *origin, size_t line, const char *text, size_t size,
                             rp_json **value, rp_error *err)
{
    json_error_t error = {0};
    const char *name = origin ? origin : "JSON", *reason = error.text;
    json_t *tree = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!tree && json_error_code(&error) == json_error_out_of_memory)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", name);
    if (!tree)
        return rp_fail(err, RP_ERR_FORMAT, "%s: line %zu, column %d: %s", name,
                       line - 1 + (size_t)(error.line > 0 ? error.line : 1), error.column, reason);
    rp_json *result = from_jansson(tree);
    json_decref(tree);
    if (!result) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", name);
    *value = result;
    return RP_OK;
}

size_t rp_utf8_mark(const void *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

rp_status rp_json_parse_buffer(const char *origin, const void *text, size_t size, rp_json **value,
                               rp_error *err)
{
    const size_t mark = rp_utf8_mark(text, size);
    return rp_json_parse_part(origin, 1, (const char *)text + mark, size - mark, value, err);
}

rp_status rp_json_parse(const char *text, rp_json **value, rp_error *err)
{
    return rp_json_parse_buffer(NULL, text, strlen(text), value, err);
}

rp_status rp_json_read(const char *path, rp_json **value, rp_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    rp_status status = rp_file_read(path, &data, &size, err);
    if (!status) status = rp_json_parse_buffer(path, data, size, value, err);
    rp_free(data);
    return status;
}

const rp_json *rp_json_get(const rp_json *object, const char *key)
{
    if (!object || object->kind != KIND_OBJECT) return NULL;
    size_t at = find(object, key);
    return at < object->count ? object->items[at] : NULL;
}

const rp_json *rp_json_at(const rp_json *array, size_t index)
{
    return array && index < array->count ? array->items[index] : NULL;
}

size_t rp_json_length(const rp_json *array)
{
    return array ? array->count : 0;
}

const char *rp_json_key_at(const rp_json *object, size_t index)
{
    const rp_json *child = rp_json_at(object, index);
    return child ? child->key : NULL;
}

bool rp_json_is_array(const rp_json *value)
{
    return value && value->kind == KIND_ARRAY;
}

bool rp_json_is_object(const rp_json *value)
{
    return value && value->kind == KIND_OBJECT;
}

bool rp_json_is_null(const rp_json *value)
{
    return !value || value->kind == KIND_NULL;
}

bool rp_json_as_number(const rp_json *value, double *out)
{
    if (!value || (value->kind != KIND_NUMBER && value->kind != KIND_INT)) return false;
    *out = value->kind == KIND_INT ? (double)value->as.integer : value->as.number;
    return true;
}

bool rp_json_as_int(const rp_json *value, int64_t *out)
{
    if (!value || value->kind != KIND_INT) return false;
    *out = value->as.integer;
    return true;
}

const char *rp_json_as_string(const rp_json *value)
{
    return value && value->kind == KIND_STRING ? value->as.string : NULL;
}

bool rp_json_get_number(const rp_json *object, const char *key, double *out)
{
    return rp_json_as_number(rp_json_get(object, key), out);
}

bool rp_json_get_int(const rp_json *object, const char *key, int64_t *out)
{
    return rp_json_as_int(rp_json_get(object, key), out);
}

bool rp_json_get_bool(const rp_json *object, const char *key, bool *out)
{
    const rp_json *value = rp_json_get(object, key);
    if (!value || value->kind != KIND_BOOL) return false;
    *out = value->as.boolean;
    return true;
}

const char *rp_json_get_string(const rp_json *object, const char *key)
{
    return rp_json_as_string(rp_json_get(object, key));
}
