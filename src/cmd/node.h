/* What `send` and `receive` share: titles and TLS on the command line. */
#ifndef REPRISE_CMD_NODE_H
#define REPRISE_CMD_NODE_H

#include <argp.h>

#include "reprise/dicom_network.h"

/* As an argp child whose input is an rp_tls_files*: --tls-ca --tls-cert --tls-key. */
extern const struct argp cmd_tls_argp;
/* Whole seconds of --timeout, or an argp error. */
int cmd_parse_timeout(struct argp_state *state, const char *argument);
/* The title, or an argp error that names the option. */
const char *cmd_check_aet(struct argp_state *state, const char *option, const char *title);

#endif
