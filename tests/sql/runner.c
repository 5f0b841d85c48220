/* Runs golden files of SQL statements, see tests/sql/README.md.
 *
 *     sql_runner [--print] FILE|FOLDER...
 *
 * Prints what differs, with file and line, and how many statements there were; ends with 1 when any did.  --print shows what
 * came out in the format of the files, to be compared by eye with what should; nothing is ever written over. */
#include "common/fs/fs.h"
#include "sql/catalog/execute.h"
#include "tests/sql/golden.h"
#include "tests/sql/simple_resolver.h"
#include <stdio.h>

struct session {
    struct simple_resolver resolver;
    struct sql_manager *m;
};

static void *open_session(struct error *err)
{
    struct session *s = MEM_NEW(struct session);
    simple_resolver_init(&s->resolver);
    const struct sql_manager_options options = {.resolver = &s->resolver.base};
    if (sql_manager_new(&options, &s->m, err) < 0) {
        mem_free(s);
        return NULL;
    }
    s->resolver.m = s->m;
    return s;
}

static void close_session(void *session)
{
    struct session *s = session;
    sql_manager_free(s->m);
    mem_free(s);
}

static int execute(void *session, struct slice text, const struct sql_statement *statement,
                   struct sql_result **ret, struct sql_error_place *place, struct error *err)
{
    struct session *s = session;
    struct sql_created created;
    if (sql_catalog_takes(statement)) {
        return sql_catalog_execute(s->m, text, statement, ret, place, err);
    }
    if (statement->kind != SQL_STATEMENT_CREATE) {
        place->span = statement->span;
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: this statement");
    }
    TRY(sql_catalog_create_as(s->m, text, statement, &created, place, err));
    sql_created_fini(&created);
    *ret = sql_result_new_ok();
    return 0;
}

static const struct golden_session_ops ops = {open_session, close_session, execute};

static void run_file(const char *path, enum golden_mode mode, struct golden_count *count)
{
    STR_AUTO out = STR_INIT;
    struct error err = ERROR_INIT;
    int rc = golden_run(path, &ops, mode, count, &out, &err);
    fputs(str_cstr(&out), stdout);
    if (rc < 0) {
        printf("%s\n", err.message);
        count->failed++;
    }
}

/* A file, or the .test files of a folder. */
static int run(const char *path, enum golden_mode mode, struct golden_count *count)
{
    struct fs_status status;
    struct fs_list files = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    if (fs_stat(path, &status, &err) < 0) {
        printf("%s\n", err.message);
        return -1;
    }
    if (status.kind != FS_KIND_DIRECTORY) {
        run_file(path, mode, count);
        return 0;
    }
    int rc = fs_list_dir(path, &files, &err);
    for (size_t i = 0; i < files.n && rc == 0; i++) {
        const char *file = files.entries[i].path;
        if (cstr_ends_with(file, ".test")) {
            run_file(strncmp(file, "file:", 5) == 0 ? file + 5 : file, mode, count);
        }
    }
    fs_list_fini(&files);
    return rc;
}

int main(int argc, char **argv)
{
    enum golden_mode mode = GOLDEN_COMPARE;
    struct golden_count count = {0, 0};
    int rc = 0;
    for (int i = 1; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--print") == 0) {
            mode = GOLDEN_PRINT;
        } else {
            rc = run(argv[i], mode, &count);
        }
    }
    if (mode == GOLDEN_COMPARE) {
        printf("%u statements, %u failed\n", count.statements, count.failed);
    }
    return rc < 0 || count.failed > 0 || count.statements == 0 ? 1 : 0;
}
