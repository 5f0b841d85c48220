/* The job manager's command line, by Flink's names.  Options end at the first argument that is none: it
 * and what follows are the application's.  Thread: main. */
#ifndef FLINC_JOBMANAGER_PROCESS_ARGS_H
#define FLINC_JOBMANAGER_PROCESS_ARGS_H

#include "common/base/vec.h"
#include "common/conf/conf.h"

struct process_args {
    bool help, lists_failpoints;
    const char *config_dir;    /* Borrows from argv, as all texts; NULL: $FLINK_CONF_DIR */
    struct vec properties;     /* Owns; of const char *: "key=value" */
    bool application;          /* one job */
    const char *job_classname; /* NULL: the only bundle */
    const char *job_id;
    const char *jars; /* path of the bundle */
    char **job_args;
    int n_job_args;
};

int process_args_parse(struct process_args *a, int argc, char **argv, struct error *err) MUST_CHECK;
void process_args_fini(struct process_args *a);
void process_args_print_help(void);
/* The files in the configuration folder with the properties over them. */
int process_args_load_conf(const struct process_args *a, struct conf *conf,
                           struct error *err) MUST_CHECK;

#endif
