/* The SQL shell: `flink sql` and `bin/sql-client.sh`.
 *
 *   options --sqlclient_parse()--> struct sqlclient_options --sqlclient_run()--> exit code
 *
 * It plans in this process, and runs jobs in mini clusters of this process (the default) or on a cluster
 * (execution.target: remote).  Lines that it prints are Flink's.  Flink: SqlClient, CliClient.  Thread: main. */
#ifndef FLINC_CLIENT_SQLCLIENT_SQLCLIENT_H
#define FLINC_CLIENT_SQLCLIENT_SQLCLIENT_H

#include "common/conf/conf.h"

extern const char sqlclient_summary[]; /* one line for the help of `flink` */

enum { SQLCLIENT_INIT_FILES_MAX = 64 };

struct sqlclient_options {
    const char *file;                           /* -f; "-": standard input */
    const char *statements;                     /* -e */
    const char *init[SQLCLIENT_INIT_FILES_MAX]; /* -i */
    uint32_t n_init;
    const char *history; /* -hist; NULL: .flink-sql-history of the home folder */
    struct text_list jars;
    bool only_check, is_help;
};

/* Takes the words behind `sql`; -D, -t and -m are set in the configuration.  ERR_INVALID_ARGUMENT. */
int sqlclient_parse(struct conf *conf, int argc, char **argv, struct sqlclient_options *ret,
                    struct error *err) MUST_CHECK;
/* Adds the .jar and .so files of a folder, by name. */
int sqlclient_add_library(struct text_list *jars, const char *folder, struct error *err) MUST_CHECK;
void sqlclient_options_fini(struct sqlclient_options *o);
void sqlclient_print_help(void);
/* 0; 1: a statement failed (not when a person types); 130: it was interrupted. */
int sqlclient_run(const struct conf *conf, const struct sqlclient_options *options);

#endif
