/* Words behind `flink sql`: one table, from which parsing and help come. */
#include "client/sqlclient/sqlclient.h"
#include "common/fs/fs.h"
#include <stdio.h>

const char sqlclient_summary[] = "runs SQL statements: typed, of a file, or of the command line";

enum option_id {
    OPTION_HELP,
    OPTION_FILE,
    OPTION_EXECUTE,
    OPTION_INIT,
    OPTION_HISTORY,
    OPTION_JAR,
    OPTION_LIBRARY,
    OPTION_CHECK,
    OPTION_TARGET,
    OPTION_JOB_MANAGER,
    OPTION_PROPERTY,
    OPTION_NOT_HERE,
};

static const char update_text[] = "give the statement with -e";
static const char python_text[] = "Python functions are not supported yet";

static const struct {
    enum option_id id;
    const char *short_name, *long_name;
    const char *value; /* how the help names it; NULL: none */
    const char *text;  /* OPTION_NOT_HERE: what to do instead */
} options[] = {
    {OPTION_HELP, "-h", "--help", NULL, "Show this help."},
    {OPTION_FILE, "-f", "--file", "<script>",
     "Executes the statements of a file and ends; \"-\" is standard input."},
    {OPTION_EXECUTE, "-e", "--execute", "<statements>", "Executes these statements and ends."},
    {OPTION_INIT, "-i", "--init", "<script>",
     "Executes the statements of a file before everything else; may be repeated."},
    {OPTION_CHECK, "--check", NULL, NULL,
     "Only validates and plans: nothing is run, catalogs change in memory alone."},
    {OPTION_HISTORY, "-hist", "--history", "<file>",
     "Where the lines that were typed are kept (~/.flink-sql-history)."},
    {OPTION_JAR, "-j", "--jar", "<file>", "A file as ADD JAR adds it; may be repeated."},
    {OPTION_LIBRARY, "-l", "--library", "<folder>",
     "All .jar and .so files of a folder as -j; may be repeated."},
    {OPTION_JOB_MANAGER, "-m", "--jobmanager", "<host:port>",
     "The cluster that runs the jobs (rest.address, rest.port; execution.target: remote)."},
    {OPTION_TARGET, "-t", "--target", "<arg>",
     "Where jobs run: \"local\", in this process (default), or \"remote\", on a cluster "
     "(execution.target)."},
    {OPTION_PROPERTY, "-D", NULL, "<key=value>", "Sets a configuration key; may be repeated."},
    {OPTION_NOT_HERE, "-u", "--update", "<statement>", update_text},
    {OPTION_NOT_HERE, "-py", "--pyFiles", "<files>", python_text},
    {OPTION_NOT_HERE, "-s", "--session", "<name>", "sessions have no names here"},
};

void sqlclient_print_help(void)
{
    printf("./sql-client.sh [embedded] [OPTIONS]\n./flink sql [OPTIONS]\n\n  Options:\n");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        char names[64];
        if (options[i].id == OPTION_NOT_HERE) {
            continue;
        }
        (void)snprintf(names, sizeof(names), "%s%s%s%s%s", options[i].short_name,
                       options[i].long_name != NULL ? "," : "",
                       options[i].long_name != NULL ? options[i].long_name : "",
                       options[i].value != NULL ? " " : "",
                       options[i].value != NULL ? options[i].value : "");
        printf("     %-32s %s\n", names, options[i].text);
    }
    printf("\nWithout -f and -e statements are read from standard input.\n");
}

static int find(const char *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strcmp(arg, options[i].short_name) == 0 ||
            (options[i].long_name != NULL && strcmp(arg, options[i].long_name) == 0)) {
            return (int)i;
        }
    }
    return -1;
}

static int unknown(const char *arg, struct error *err)
{
    const char *names[2 * ARRAY_LEN(options)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        names[n++] = options[i].short_name;
        if (options[i].long_name != NULL) {
            names[n++] = options[i].long_name;
        }
    }
    const char *near = cstr_nearest(arg, names, n);
    return error_set(err, ERR_INVALID_ARGUMENT, "Unrecognized option: %s%s%s%s", arg,
                     near != NULL ? ". Did you mean " : "", near != NULL ? near : "",
                     near != NULL ? "?" : "");
}

/* "host:port", with rest.address and rest.port. */
static int set_job_manager(struct conf *conf, const char *value, struct error *err)
{
    static const struct conf_place here = {CONF_ORIGIN_COMMAND_LINE, NULL, 0};
    const char *colon = strrchr(value, ':');
    if (colon == NULL || colon == value) {
        return error_set(err, ERR_INVALID_ARGUMENT, "-m %s: expected host:port", value);
    }
    char *host = mem_strndup(value, (size_t)(colon - value));
    int rc = conf_set_at(conf, here, "rest.address", host, err);
    mem_free(host);
    TRY(rc);
    TRY(conf_set_at(conf, here, "rest.port", colon + 1, err));
    return conf_set_at(conf, here, "execution.target", "remote", err);
}

int sqlclient_add_library(struct text_list *jars, const char *folder, struct error *err)
{
    struct fs_list files = FS_LIST_INIT;
    int rc = fs_list_dir(folder, &files, err);
    for (size_t i = 0; i < files.n && rc == 0; i++) {
        const char *path = files.entries[i].path;
        if (cstr_ends_with(path, ".jar") || cstr_ends_with(path, ".so")) {
            text_list_add(jars, slice_cstr(cstr_starts_with(path, "file:") ? path + 5 : path));
        }
    }
    fs_list_fini(&files);
    return rc;
}

static int take(struct conf *conf, enum option_id id, const char *value,
                struct sqlclient_options *o, struct error *err)
{
    static const struct conf_place here = {CONF_ORIGIN_COMMAND_LINE, NULL, 0};
    switch (id) {
    case OPTION_HELP:
        o->is_help = true;
        return 0;
    case OPTION_CHECK:
        o->only_check = true;
        return 0;
    case OPTION_FILE:
        o->file = value;
        return 0;
    case OPTION_EXECUTE:
        o->statements = value;
        return 0;
    case OPTION_HISTORY:
        o->history = value;
        return 0;
    case OPTION_INIT:
        if (o->n_init == SQLCLIENT_INIT_FILES_MAX) {
            return error_set(err, ERR_INVALID_ARGUMENT, "-i may be given %d times",
                             SQLCLIENT_INIT_FILES_MAX);
        }
        o->init[o->n_init++] = value;
        return 0;
    case OPTION_JAR:
        text_list_add(&o->jars, slice_cstr(value));
        return 0;
    case OPTION_LIBRARY:
        return sqlclient_add_library(&o->jars, value, err);
    case OPTION_TARGET:
        return conf_set_at(conf, here, "execution.target", value, err);
    case OPTION_JOB_MANAGER:
        return set_job_manager(conf, value, err);
    case OPTION_PROPERTY:
        return conf_set_dynamic(conf, value, err);
    default:
        return 0;
    }
}

/* -Dkey=value and -D key=value are one option. */
static int parse_one(struct conf *conf, int argc, char **argv, int *at, struct sqlclient_options *o,
                     struct error *err)
{
    const char *arg = argv[*at];
    if (strncmp(arg, "-D", 2) == 0 && arg[2] != '\0') {
        return conf_set_dynamic(conf, arg + 2, err);
    }
    int i = find(arg);
    if (i < 0) {
        return unknown(arg, err);
    }
    if (options[i].id == OPTION_NOT_HERE) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s; %s", arg, options[i].text);
    }
    const char *value = NULL;
    if (options[i].value != NULL) {
        if (*at + 1 >= argc) {
            return error_set(err, ERR_INVALID_ARGUMENT, "Missing argument for option: %s %s", arg,
                             options[i].value);
        }
        value = argv[++*at];
    }
    return take(conf, options[i].id, value, o, err);
}

static int check(const struct conf *conf, const struct sqlclient_options *o, struct error *err)
{
    const char *target = conf_string(conf, "execution.target");
    if (o->file != NULL && o->statements != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "-f and -e are two ways to give statements: use one of them");
    }
    if (target != NULL && strcmp(target, "local") != 0 && strcmp(target, "remote") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "There is no execution target '%s' in this release; use -t local (this "
                         "process) or -t remote (a cluster).",
                         target);
    }
    return 0;
}

int sqlclient_parse(struct conf *conf, int argc, char **argv, struct sqlclient_options *ret,
                    struct error *err)
{
    int first = 0;
    *ret = (struct sqlclient_options){.jars = TEXT_LIST_INIT};
    if (argc > 0 && strcmp(argv[0], "embedded") == 0) {
        first = 1;
    } else if (argc > 0 && strcmp(argv[0], "gateway") == 0) {
        return error_set(err, ERR_UNSUPPORTED,
                         "not supported yet: gateway mode. The shell plans in its own process; "
                         "-m host:port runs its jobs on a cluster.");
    }
    for (int i = first; i < argc; i++) {
        int rc = parse_one(conf, argc, argv, &i, ret, err);
        if (rc < 0) {
            sqlclient_options_fini(ret);
            return rc;
        }
    }
    int rc = check(conf, ret, err);
    if (rc < 0) {
        sqlclient_options_fini(ret);
    }
    return rc;
}

void sqlclient_options_fini(struct sqlclient_options *o)
{
    text_list_fini(&o->jars);
    o->jars = (struct text_list)TEXT_LIST_INIT;
}
