/* Titles and TLS of `send` and `receive`. */
#include "cmd.h"

#include "node.h"

enum { KEY_TLS_CA = 0x2000, KEY_TLS_CERT, KEY_TLS_KEY };

static const struct argp_option tls_options[] = {
    {NULL, 0, NULL, 0, "TLS, with files in PEM:", 80},
    {"tls-ca", KEY_TLS_CA, "FILE", 0, "Certificates that sign the other side's", 0},
    {"tls-cert", KEY_TLS_CERT, "FILE", 0, "Our certificate", 0},
    {"tls-key", KEY_TLS_KEY, "FILE", 0, "Its private key, without passphrase", 0},
    {0}};

static error_t parse_tls(int key, char *argument, struct argp_state *state)
{
    rp_tls_files *files = state->input;
    switch (key) {
    case KEY_TLS_CA:
        files->ca = argument;
        return 0;
    case KEY_TLS_CERT:
        files->certificate = argument;
        return 0;
    case KEY_TLS_KEY:
        files->key = argument;
        return 0;
    case ARGP_KEY_END:
        if (!files->certificate != !files->key)
            argp_error(state, "--tls-cert and --tls-key come together");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cmd_tls_argp = {.options = tls_options, .parser = parse_tls};

const char *cmd_check_aet(struct argp_state *state, const char *option, const char *title)
{
    if (!rp_aet_valid(title))
        argp_error(state, "%s takes a title of 1 to %d characters, not '%s'", option,
                   RP_AET_CHARACTERS, title);
    return title;
}

int cmd_parse_timeout(struct argp_state *state, const char *argument)
{
    int seconds = 0;
    if (!cmd_parse_int(argument, 1, 3600, &seconds))
        argp_error(state, "--timeout takes whole seconds from 1 to 3600, not '%s'", argument);
    return seconds;
}
