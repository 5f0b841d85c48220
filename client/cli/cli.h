/* The `flink` command.  Actions and options are rows of const tables; output lines and exit codes are
 * Flink's (CliFrontend).  Thread: main. */
#ifndef FLINC_CLIENT_CLI_CLI_H
#define FLINC_CLIENT_CLI_CLI_H

#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "taskmanager/worker/crash_report.h"

enum cli_exit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_ERROR = 1,
    CLI_EXIT_CANCELLED = 130, /* as shells tell an interrupt */
};

/* Actions as bits: which options they take. */
enum cli_action_bit {
    CLI_RUN = 1,
    CLI_INFO = 2,
    CLI_LIST = 4,
    CLI_CANCEL = 8,
    CLI_STOP = 16,
    CLI_SAVEPOINT = 32,
    CLI_CHECKPOINT = 64,
    CLI_MODIFY = 128,
    CLI_ALL = 255,
};

/* What the options said. */
struct cli_args {
    struct conf conf;      /* the cluster's configuration, with -D, -t, -m and -p over it */
    const char *bundle;    /* what stands first behind the options: a bundle, or a job id */
    const char *entry;     /* -c */
    const char *savepoint; /* -s of run and cancel, -p of stop */
    const char *dispose;   /* a savepoint to be removed */
    const char *vertex;    /* -v of modify: the only one that is meant */
    uint32_t parallelism;  /* -p of modify; 0: not given */
    struct vec paths;      /* char *, Owns: folders that were made absolute */
    char **job_args;
    int n_job_args;
    bool help;
    bool detached;
    bool drain, full, native_format;
    bool list_running, list_scheduled, list_all;
};

struct cli_action {
    const char *name;
    enum cli_action_bit bit;
    const char *usage;
    const char *summary;
    int (*run)(struct cli_args *args);
};

/* Parses what follows the action.  Errors are the user's. */
int cli_args_parse(struct cli_args *args, enum cli_action_bit action, int argc, char **argv,
                   struct error *err) MUST_CHECK;
void cli_args_fini(struct cli_args *args);
/* A path as the cluster's processes have to know it: a relative one is below the folder in which the command was
 * called, for theirs is another; what has a scheme stays.  Lives as long as the arguments.  NULL stays NULL. */
const char *cli_absolute_path(struct cli_args *args, const char *path);
/* The options that an action takes, for its help. */
void cli_print_options(enum cli_action_bit action);

int cli_run(struct cli_args *args);
int cli_info(struct cli_args *args);
int cli_list(struct cli_args *args);
int cli_cancel(struct cli_args *args);
int cli_cancel_with_savepoint(struct cli_args *args);
int cli_stop(struct cli_args *args);
int cli_savepoint(struct cli_args *args);
int cli_checkpoint(struct cli_args *args);
int cli_modify(struct cli_args *args);

/* "The program finished with the following exception", as Flink shows failures; returns the exit code. */
int cli_fail(const struct error *err);
/* Whose code the main thread runs: reports of crashes look here. */
extern struct crash_slot cli_crash_slot;
/* Set by SIGINT and SIGTERM: cancel the job. */
bool cli_is_interrupted(void);

#endif
