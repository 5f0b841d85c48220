/* What the files of this room share: the session itself and one statement on its way. */
#ifndef FLINC_SQL_SESSION_INSIDE_H
#define FLINC_SQL_SESSION_INSIDE_H

#include "common/fs/artifact/artifact.h"
#include "common/text/time_zone.h"
#include "sql/catalog/execute.h"
#include "sql/plan/rel.h"
#include "sql/session/session.h"

/* A file of ADD JAR or USING JAR, copied beside the session: what changes the file later changes no job. */
struct sql_library {
    char *address; /* Owns; as it was written */
    char *name;    /* Owns; in job graphs: "<hash of its bytes>-udf.so" */
    char *path;    /* Owns; of the copy */
    struct sql_library_version {
        uint64_t inode, size;
        int64_t modified_ns;
    } version; /* of a local file; zeros: of another file system, which is fetched once */
};

struct sql_libraries {
    struct owned_dir own;
    const char *dir;  /* Borrows; NULL: not made */
    struct vec items; /* Owns: struct sql_library *; a file that has changed has several */
};

struct sql_planned;

struct sql_session {
    struct sql_session_options options; /* conf: not kept */
    struct conf base;                   /* Owns: what RESET goes back to */
    struct conf conf;                   /* Owns: as SET left it */
    struct sql_resolver resolver;
    struct sql_manager *manager; /* Owns */
    struct buffer_pool *pool;    /* Owns */
    struct time_zone *zone;      /* Owns; of table.local-time-zone */
    struct rng rng;              /* of job ids */
    bool in_set;
    struct text_list set; /* inserts since BEGIN STATEMENT SET */
    struct sql_libraries libraries;
};

/* One statement being executed. */
struct sql_run {
    struct sql_session *s;
    struct slice text;
    const struct sql_statement *statement;
    struct sql_answer **ret;
    struct sql_error_place *place;
    struct error *err;
};

/* Sets place and message and is `code`. */
int sql_run_refuse(struct sql_run *r, struct sql_span span, int code, const char *fmt, ...)
    PRINTF(4, 5) MUST_CHECK;
int sql_run_not_yet(struct sql_run *r, const char *feature) MUST_CHECK;

/* ---- resolver.c ---- */
void sql_session_resolver_init(struct sql_session *s);

/* ---- expand.c ---- */
/* Appends the query's text with names of tables in full; `text` is what it was parsed from. */
int sql_session_expand(struct sql_session *s, const struct sql_query *query, struct slice text,
                       struct str *out, struct error *err) MUST_CHECK;

/* ---- functions.c: libraries of functions ---- */
void sql_libraries_init(struct sql_libraries *l);
void sql_libraries_fini(struct sql_libraries *l);
/* The address is a library, here and now: ADD JAR. */
int sql_session_check_jar(void *arg, const char *address, struct error *err) MUST_CHECK;
/* What a plan asks for; arg: struct sql_planned, which notes the library. */
int sql_session_user_function(void *arg, const char *name, const struct sql_entity *function,
                              const struct expr_function **ret, struct error *err) MUST_CHECK;

/* ---- settings.c ---- */
int sql_run_set(struct sql_run *r) MUST_CHECK;
int sql_run_reset(struct sql_run *r) MUST_CHECK;
/* The zone of the configuration, opened anew when it has changed. */
int sql_session_open_zone(struct sql_session *s, struct error *err) MUST_CHECK;
/* execution.runtime-mode: BATCH or STREAMING. */
int sql_session_is_batch(const struct sql_session *s, bool *ret, struct error *err) MUST_CHECK;

/* ---- run.c: queries, INSERT, statement sets, CREATE TABLE AS ---- */
int sql_run_query(struct sql_run *r) MUST_CHECK;
int sql_run_insert(struct sql_run *r) MUST_CHECK;
int sql_run_set_of_inserts(struct sql_run *r) MUST_CHECK;
int sql_run_begin_set(struct sql_run *r) MUST_CHECK;
int sql_run_end_set(struct sql_run *r) MUST_CHECK;
int sql_run_create_as(struct sql_run *r) MUST_CHECK;

/* Adds what fills the table that CREATE TABLE AS has made. */
int sql_run_add_created(struct sql_run *r, const struct sql_created *created,
                        struct sql_planned *p) MUST_CHECK;
void sql_run_drop_created(struct sql_run *r, const struct sql_created *created);

/* ---- modify.c: UPDATE, DELETE, TRUNCATE, ANALYZE, CALL ---- */
int sql_run_update(struct sql_run *r) MUST_CHECK; /* DELETE, too */
int sql_run_truncate(struct sql_run *r) MUST_CHECK;
int sql_run_analyze(struct sql_run *r) MUST_CHECK;
int sql_run_call(struct sql_run *r) MUST_CHECK;

/* ---- planned.c: the plan of one job ---- */
struct sql_planned {
    struct sql_session *s;
    struct sql_plan *plan; /* Owns */
    struct vec logical;    /* const struct rel *: roots */
    struct vec libraries;  /* Borrows: const struct sql_library *, of functions that were met */
};
int sql_planned_open(struct sql_session *s, struct sql_planned *ret, struct error *err) MUST_CHECK;
void sql_planned_close(struct sql_planned *p);
/* Adds what the statement is: a query under a collect, an insert, a set of them. */
int sql_planned_add(struct sql_planned *p, const struct sql_statement *statement, struct slice text,
                    struct sql_error_place *place, struct error *err) MUST_CHECK;
/* The physical roots, as many as logical ones; mem_free(). */
int sql_planned_optimize(struct sql_planned *p, const struct rel ***ret,
                         struct error *err) MUST_CHECK;

struct sql_job_graph {
    Flinc__JobGraph *graph; /* Owns */
    char id[ID_HEX_LEN + 1];
    char *collect_uid;   /* Owns; NULL: there is none */
    struct schema *rows; /* Owns a ref; what the collect sink takes, by the names of the query */
};
/* Optimises and translates. */
int sql_planned_translate(struct sql_planned *p, struct sql_job_graph *ret,
                          struct error *err) MUST_CHECK;
void sql_job_graph_fini(struct sql_job_graph *g);

/* ---- explain.c ---- */
int sql_run_explain(struct sql_run *r) MUST_CHECK;

/* ---- jobs.c ---- */
int sql_run_show_jobs(struct sql_run *r) MUST_CHECK;
int sql_run_describe_job(struct sql_run *r) MUST_CHECK;
int sql_run_stop_job(struct sql_run *r) MUST_CHECK;

/* ---- answer.c ---- */
struct sql_answer *sql_answer_of_ok(struct sql_session *s);
/* One column and one row of text. */
struct sql_answer *sql_answer_of_text(struct sql_session *s, enum sql_answer_kind kind,
                                      const char *column, const char *text);
struct sql_answer *sql_answer_of_result(struct sql_session *s, const struct sql_result *result);
/* Without rows yet; takes the schema. */
struct sql_answer *sql_answer_new(enum sql_answer_kind kind, struct schema *take_schema);

#endif
