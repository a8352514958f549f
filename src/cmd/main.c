/* The table of commands. */
#include "cmd.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

static const cmd_entry commands[] = {
    {"assess", "adapt to the baseline, contour the follow-up, measure and classify", cmd_assess},
    {"adapt", "make a patient model from an image and its contour", cmd_adapt},
    {"segment", "contour an image with a model", cmd_segment},
    {"measure", "diameters and volumes of the lesions in a mask", cmd_measure},
    {"respond", "response from two masks, or of a patient's lesions over all visits", cmd_respond},
    {"track", "a patient's lesions over several visits, matched and measured: a timeline",
     cmd_track},
    {"register", "two visits registered, and the baseline's contour carried to the follow-up",
     cmd_register},
    {"compare-masks", "a predicted mask against a reference: Dice, surface distances, volume",
     cmd_compare_masks},
    {"simulate", "a follow-up with known truth from a real baseline", cmd_simulate},
    {"phantom", "synthetic patients with known truth", cmd_phantom},
    {"import", "a cohort's manifest from the folders of a data set", cmd_import},
    {"manifest", "check a cohort's manifest, or divide its patients", cmd_manifest},
    {"train", "a general model from a cohort", cmd_train},
    {"pretrain", "a general model from synthetic pairs of visits", cmd_pretrain},
    {"evaluate", "the models and their comparators over a cohort, with the tables of a study",
     cmd_evaluate},
    {"convert", "images and contours between DICOM and NIfTI", cmd_convert},
    {"info", "what is in a file or folder", cmd_info},
    {"anonymize", "DICOM without the patient: intervals, references and pixels kept",
     cmd_anonymize},
    {"send", "DICOM files to a node of the network", cmd_send},
    {"receive", "DICOM files from nodes of the network", cmd_receive},
    {"bench", "this machine's limits, and how close each kernel of the network comes", cmd_bench},
};

static void print_help(FILE *to)
{
    fputs("Usage: reprise COMMAND [OPTION...]\n"
          "Contours the follow-up CT with a network that remembers the patient, and reads the\n"
          "response from it. For research only, not for diagnosis or treatment.\n\nCommands:\n",
          to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'reprise COMMAND --help' tells the options of a command; 'reprise --version' the "
          "version.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused for safety.\n",
          to);
}

static const cmd_entry *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

/* The command that was meant: one that begins so, or the one that differs in the fewest letters,
 * and not in too many. */
static const char *likeness(const char *name)
{
    const size_t length = strlen(name), allowed = (length + 2) / 3;
    const char *best = NULL;
    size_t fewest = allowed + 1;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *other = commands[i].name;
        const bool begins = length > 1 && strncasecmp(other, name, length) == 0;
        const size_t apart = begins ? 0 : rp_letters_apart(name, other);
        if (apart < fewest) best = other;
        if (apart < fewest) fewest = apart;
    }
    return best;
}

static int unknown(const char *name)
{
    const char *meant = likeness(name);
    fprintf(stderr, "reprise: there is no command '%s'", cmd_shown(name));
    if (meant) fprintf(stderr, "; did you mean '%s'?", meant);
    fputs(meant ? " 'reprise --help' lists them\n" : "; 'reprise --help' lists them\n", stderr);
    return CMD_USAGE;
}

/* Under the name "reprise NAME", so that every message of argp shows it. */
static int run_command(const cmd_entry *command, int argc, char **argv)
{
    char name[64];
    snprintf(name, sizeof name, "reprise %s", command->name);
    argv[0] = name;
    return command->run(argc, argv);
}

static int help_on(const char *name)
{
    char option[] = "--help", *arguments[] = {NULL, option, NULL};
    const cmd_entry *command = find_command(name);
    return command ? run_command(command, 2, arguments) : unknown(name);
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_help(stderr);
        return CMD_USAGE;
    }
    if (strcmp(name, "help") == 0 && argc > 2) return help_on(argv[2]);
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return CMD_DONE;
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        puts(argp_program_version);
        return CMD_DONE;
    }
    const cmd_entry *command = find_command(name);
    return command ? run_command(command, argc - 1, argv + 1) : unknown(name);
}

/* What the parent may have left otherwise, and what would end the program without a word: writing
 * to a pipe that nobody reads, or beyond the limit on file sizes, are errors of the call. */
static void settle_signals(void)
{
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
    argp_program_version = "reprise " RP_VERSION;
    argp_err_exit_status = CMD_USAGE;
    rp_log_set_sink(cmd_log, NULL);
    settle_signals();
    if (!cmd_filter_streams()) return CMD_FAILED;
    const int code = dispatch(argc, argv);
    cmd_release_outputs(code != CMD_DONE);
    /* Output that did not arrive (a full disk behind a redirection) is a failure. */
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    if (cmd_reader_left()) { /* "| head" has seen enough: the usual end */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    fputs("reprise: standard output: cannot be written\n", stderr);
    return code == CMD_DONE ? CMD_FAILED : code;
}
