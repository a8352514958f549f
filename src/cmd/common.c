/* Options of every command, and text that stands for quantities. */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_THREADS = 0x1000, KEY_MEMORY, KEY_CPU };

static const struct argp_option common_options[] = {
    {NULL, 0, NULL, 0, "Common:", 90},
    {"threads", KEY_THREADS, "N", 0, "Processor threads (default: all)", 0},
    {"memory", KEY_MEMORY, "SIZE", 0,
     "Memory for the network, such as 8G (default: three quarters of what is available)", 0},
    {"cpu", KEY_CPU, "NAME", 0, "Kernels: ref, avx2, avx512 or neon (default: the best there are)",
     0},
    {"quiet", 'q', NULL, 0, "No progress", 0},
    {NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0},
    {0}};

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
    cmd_common *common = state->input;
    switch (key) {
    case KEY_THREADS:
        if (!cmd_parse_int(argument, 1, 4096, &common->threads))
            argp_error(state, "--threads takes a whole number from 1 to 4096, not '%s'", argument);
        return 0;
    case KEY_MEMORY:
        if (!cmd_parse_bytes(argument, &common->memory_bytes) || !common->memory_bytes)
            argp_error(state, "--memory takes a size such as 8G or 512M, not '%s'", argument);
        return 0;
    case KEY_CPU:
        common->cpu = argument;
        return 0;
    case 'q':
        common->quiet = true;
        return 0;
    case 'h': /* as --help, which argp knows by itself */
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cmd_common_argp = {.options = common_options, .parser = parse_common};

rp_status cmd_common_apply(const cmd_common *common, rp_error *err)
{
    cmd_progress_start(common->quiet);
    rp_threads_set(common->threads);
    return common->cpu ? rp_kernels_select(common->cpu, err) : RP_OK;
}

bool cmd_parse_int(const char *text, int low, int high, int *value)
{
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (end == text || *end || errno || number < low || number > high) return false;
    *value = (int)number;
    return true;
}

bool cmd_parse_seed(const char *text, uint64_t *seed)
{
    char *end;
    if (!isdigit((unsigned char)*text)) return false; /* strtoull would take a minus sign */
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    /* JSON's whole numbers are signed. */
    if (*end || errno || number > INT64_MAX) return false;
    *seed = number;
    return true;
}

bool cmd_parse_number(const char *text, double *value)
{
    char *end;
    const double number = strtod(text, &end);
    if (end == text || *end || !isfinite(number)) return false;
    *value = number;
    return true;
}

bool cmd_parse_numbers(const char *text, double values[3])
{
    for (int i = 0; i < 3; i++) {
        char *end;
        values[i] = strtod(text, &end);
        if (end == text || !isfinite(values[i])) return false;
        if (i < 2 && *end != 'x' && *end != ',') return false;
        if (i == 2 && *end) return false;
        text = end + 1;
    }
    return true;
}

bool cmd_parse_extent(const char *text, int largest, int size[3])
{
    double zyx[3];
    if (!cmd_parse_numbers(text, zyx)) return false;
    for (int a = 0; a < 3; a++) {
        if (!(zyx[a] >= 1 && zyx[a] <= largest) || zyx[a] != (int)zyx[a]) return false;
        size[2 - a] = (int)zyx[a];
    }
    return true;
}

bool cmd_parse_definition(const char *text, rp_diameter_definition *definition)
{
    if (strcmp(text, "convex") == 0)
        *definition = RP_DIAMETER_CONVEX;
    else if (strcmp(text, "inside") == 0)
        *definition = RP_DIAMETER_INSIDE;
    else
        return false;
    return true;
}

bool cmd_parse_bytes(const char *text, size_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(text, &end);
    if (end == text || !isfinite(value) || value < 0) return false;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        value = ldexp(value, 10 * (int)(unit - units + 1));
        end++;
        if (strcasecmp(end, "iB") == 0) end += 2;
    }
    if (strcasecmp(end, "B") == 0) end++;
    if (*end || value >= 9e18) return false;
    *bytes = (size_t)value;
    return true;
}

size_t cmd_memory_budget(const cmd_common *common)
{
    if (common->memory_bytes) return common->memory_bytes;
    const size_t available = rp_memory_available("");
    return available ? available / 4 * 3 : (size_t)2 << 30;
}
