/* Options that follow an action: one table, from which parsing and help come. */
#include "client/cli/cli.h"
#include "common/fs/fs.h"
#include "common/text/number.h"
#include <stdio.h>
#include <strings.h>

enum option_id {
    OPTION_HELP,
    OPTION_VERBOSE,
    OPTION_PROPERTY,
    OPTION_TARGET,
    OPTION_PARALLELISM,
    OPTION_NEW_PARALLELISM,
    OPTION_VERTEX,
    OPTION_DETACHED,
    OPTION_BUNDLE,
    OPTION_BUNDLE_IGNORED,
    OPTION_JOB_MANAGER,
    OPTION_ENTRY,
    OPTION_SHUTDOWN_ON_EXIT,
    OPTION_SAVEPOINT,
    OPTION_ALLOW_NON_RESTORED,
    OPTION_CLAIM_MODE,
    OPTION_DRAIN,
    OPTION_FULL,
    OPTION_FORMAT,
    OPTION_DISPOSE,
    OPTION_LIST_RUNNING,
    OPTION_LIST_SCHEDULED,
    OPTION_LIST_ALL,
    OPTION_NOT_HERE, /* of Flink; means nothing for bundles: an error that says what to do */
};

struct cli_option {
    enum option_id id;
    uint32_t actions; /* of enum cli_action_bit */
    const char *short_name, *long_name;
    const char *value; /* how the help names its value; NULL: none */
    const char *text;  /* OPTION_NOT_HERE: what to do instead; not shown in the help */
};

static const char java_text[] =
    "class paths are of Java jars; a bundle brings its code with it, and what it links lies beside "
    "it (rpath) or is linked in";
static const char python_text[] = "this release runs C bundles; Python jobs are not supported";

static const struct cli_option options[] = {
    {OPTION_HELP, CLI_ALL, "-h", "--help", NULL, "Show this help."},
    {OPTION_VERBOSE, CLI_ALL & ~CLI_MODIFY, "-v", "--verbose", NULL,
     "Accepted, as Flink does; without effect."},
    {OPTION_JOB_MANAGER, CLI_ALL, "-m", "--jobmanager", "<host:port>",
     "The job manager whose REST interface is asked (rest.address, rest.port)."},
    {OPTION_TARGET, CLI_ALL, "-t", "--target", "<arg>",
     "Where the job runs: \"remote\", a cluster (default), or \"local\", in this process "
     "(execution.target)."},
    {OPTION_TARGET, CLI_ALL, "-e", "--executor", "<arg>", "Deprecated name of --target."},
    {OPTION_PROPERTY, CLI_ALL, "-D", NULL, "<key=value>",
     "Sets a configuration key; may be repeated."},
    {OPTION_PARALLELISM, CLI_RUN | CLI_INFO, "-p", "--parallelism", "<number>",
     "Parallelism of operators that do not set their own (parallelism.default)."},
    {OPTION_ENTRY, CLI_RUN | CLI_INFO, "-c", "--class", "<job>",
     "The job that the bundle must hold; the name given to FLINC_JOB."},
    {OPTION_BUNDLE, CLI_RUN | CLI_INFO, "-j", "--jarfile", "<file>",
     "The job bundle, instead of the first argument."},
    {OPTION_DETACHED, CLI_RUN, "-d", "--detached", NULL,
     "Does not wait for the end of the job (not with -t local)."},
    {OPTION_SHUTDOWN_ON_EXIT, CLI_RUN, "-sae", "--shutdownOnAttachedExit", NULL,
     "Cancels the job when the command is interrupted while it waits."},
    {OPTION_SAVEPOINT, CLI_RUN, "-s", "--fromSavepoint", "<path>",
     "A savepoint or retained checkpoint to start from (execution.state-recovery.path)."},
    {OPTION_ALLOW_NON_RESTORED, CLI_RUN, "-n", "--allowNonRestoredState", NULL,
     "With -s: state that the job has no operator for is left out."},
    {OPTION_CLAIM_MODE, CLI_RUN, "-cm", "--claimMode", "<mode>",
     "With -s: claim, no_claim; who owns the savepoint afterwards."},
    {OPTION_CLAIM_MODE, CLI_RUN, "-rm", "--restoreMode", "<mode>",
     "Deprecated name of --claimMode."},
    {OPTION_LIST_RUNNING, CLI_LIST, "-r", "--running", NULL, "Only running jobs."},
    {OPTION_LIST_SCHEDULED, CLI_LIST, "-s", "--scheduled", NULL, "Only scheduled jobs."},
    {OPTION_LIST_ALL, CLI_LIST, "-a", "--all", NULL, "All jobs, ended ones, too."},
    {OPTION_SAVEPOINT, CLI_CANCEL, "-s", "--withSavepoint", "<path>",
     "Takes a savepoint before the cancellation, in this folder or the configured one; deprecated, "
     "use stop."},
    {OPTION_SAVEPOINT, CLI_STOP, "-p", "--savepointPath", "<path>",
     "The folder of the savepoint; else execution.checkpointing.savepoint-dir."},
    {OPTION_DRAIN, CLI_STOP, "-d", "--drain", NULL,
     "Ends all inputs first: windows and timers fire, the job cannot be resumed from there."},
    {OPTION_FORMAT, CLI_STOP | CLI_SAVEPOINT | CLI_CANCEL, "-type", "--type", "<format>",
     "canonical (default) or native: the format of the savepoint."},
    {OPTION_DETACHED, CLI_STOP | CLI_SAVEPOINT, "-detached", "--detached", NULL,
     "Does not wait for the savepoint."},
    {OPTION_DISPOSE, CLI_SAVEPOINT, "-d", "--dispose", "<path>", "Removes a savepoint."},
    {OPTION_BUNDLE_IGNORED, CLI_SAVEPOINT, "-j", "--jarfile", "<file>",
     "Accepted, as Flink does; disposing of a savepoint needs no code."},
    {OPTION_FULL, CLI_CHECKPOINT, "-full", "--full", NULL,
     "A checkpoint that refers to no earlier one."},
    {OPTION_NEW_PARALLELISM, CLI_MODIFY, "-p", "--parallelism", "<number>",
     "The parallelism that the job is to run with, where it has the slots: the upper bound of its "
     "widest vertices."},
    {OPTION_VERTEX, CLI_MODIFY, "-v", "--vertex", "<vertex>",
     "Only this vertex of the job, by its id or the begin of its name."},
    {OPTION_NOT_HERE, CLI_RUN, "-C", "--classpath", "<url>", java_text},
    {OPTION_NOT_HERE, CLI_RUN, "-py", "--python", "<file>", python_text},
    {OPTION_NOT_HERE, CLI_RUN, "-pym", "--pyModule", "<module>", python_text},
    {OPTION_NOT_HERE, CLI_RUN, "-pyfs", "--pyFiles", "<files>", python_text},
};

void cli_print_options(enum cli_action_bit action)
{
    printf("  Options:\n");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct cli_option *o = &options[i];
        char names[64];
        if ((o->actions & action) == 0 || o->id == OPTION_NOT_HERE) {
            continue;
        }
        (void)snprintf(names, sizeof(names), "%s%s%s%s%s", o->short_name,
                       o->long_name != NULL ? "," : "", o->long_name != NULL ? o->long_name : "",
                       o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        printf("     %-32s %s\n", names, o->text);
    }
}

static const struct cli_option *find_option(enum cli_action_bit action, const char *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct cli_option *o = &options[i];
        if ((o->actions & action) == 0) {
            continue;
        }
        if (strcmp(arg, o->short_name) == 0 ||
            (o->long_name != NULL && strcmp(arg, o->long_name) == 0)) {
            return o;
        }
    }
    return NULL;
}

static int unknown_option(enum cli_action_bit action, const char *arg, struct error *err)
{
    const char *names[2 * ARRAY_LEN(options)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if ((options[i].actions & action) == 0 || options[i].id == OPTION_NOT_HERE) {
            continue;
        }
        names[n++] = options[i].short_name;
        if (options[i].long_name != NULL) {
            names[n++] = options[i].long_name;
        }
    }
    const char *near = cstr_nearest(arg, names, n);
    return error_set(
        err, ERR_INVALID_ARGUMENT,
        "Unrecognized option: %s%s%s%s; options of the job itself go behind the bundle. "
        "Use the help option (-h or --help) to get help on the command.",
        arg, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
        near != NULL ? "?" : "");
}

static int read_parallelism(const char *value, uint32_t *ret, struct error *err)
{
    int64_t n = 0;

    if (number_parse_int64(slice_cstr(value), &n) < 0 || n < 1 || n > 32768) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The parallelism must be a positive number (1 to 32768): %s", value);
    }
    *ret = (uint32_t)n;
    return 0;
}

static int set_parallelism(struct cli_args *args, const char *value, struct error *err)
{
    uint32_t n;

    TRY(read_parallelism(value, &n, err));
    return conf_set_at(&args->conf, (struct conf_place){CONF_ORIGIN_COMMAND_LINE, NULL, 0},
                       "parallelism.default", value, err);
}

static const struct conf_place from_command_line = {CONF_ORIGIN_COMMAND_LINE, NULL, 0};

/* host:port, or a URL as proxies have it: https://host:port/path. */
static int set_job_manager(struct cli_args *args, const char *value, struct error *err)
{
    const char *scheme = strstr(value, "://");
    const char *host = scheme != NULL ? scheme + 3 : value;
    const char *slash = strchr(host, '/');
    size_t len = slash != NULL ? (size_t)(slash - host) : strlen(host);
    const char *colon = memrchr(host, ':', len);
    bool tls = cstr_starts_with(value, "https://");
    int64_t port = 0;
    STR_AUTO text = STR_INIT;

    if (scheme != NULL && !tls && !cstr_starts_with(value, "http://")) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "-m %s: a job manager is reached by http or https", value);
    }
    if (scheme != NULL) {
        TRY(conf_set_at(&args->conf, from_command_line, "security.ssl.rest.enabled",
                        tls ? "true" : "false", err));
    }
    if (colon == NULL || colon == host ||
        number_parse_int64(slice_make(colon + 1, len - (size_t)(colon + 1 - host)), &port) < 0 ||
        port < 1 || port > 65535) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "-m %s: give the job manager's address as host:port, for instance "
                         "localhost:8081",
                         value);
    }
    str_append(&text, host, (size_t)(colon - host));
    TRY(conf_set_at(&args->conf, from_command_line, "rest.address", str_cstr(&text), err));
    str_clear(&text);
    str_printf(&text, "%d", (int)port);
    TRY(conf_set_at(&args->conf, from_command_line, "rest.port", str_cstr(&text), err));
    if (slash != NULL && slash[1] != '\0') {
        TRY(conf_set_at(&args->conf, from_command_line, "rest.path", slash, err));
    }
    return 0;
}

static int set_format(struct cli_args *args, const char *value, struct error *err)
{
    args->native_format = strcasecmp(value, "native") == 0;
    if (!args->native_format && strcasecmp(value, "canonical") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "--type %s: a savepoint is canonical or native.", value);
    }
    return 0;
}

static int apply(struct cli_args *args, const struct cli_option *o, const char *value,
                 struct error *err)
{
    switch (o->id) {
    case OPTION_HELP:
        args->help = true;
        return 0;
    case OPTION_VERBOSE:
        return 0;
    case OPTION_DETACHED:
        args->detached = true;
        return 0;
    case OPTION_PROPERTY:
        return conf_set_dynamic(&args->conf, value, err);
    case OPTION_TARGET:
        return conf_set_at(&args->conf, (struct conf_place){CONF_ORIGIN_COMMAND_LINE, NULL, 0},
                           "execution.target", value, err);
    case OPTION_PARALLELISM:
        return set_parallelism(args, value, err);
    case OPTION_NEW_PARALLELISM:
        return read_parallelism(value, &args->parallelism, err);
    case OPTION_VERTEX:
        args->vertex = value;
        return 0;
    case OPTION_BUNDLE:
        args->bundle = value;
        return 0;
    case OPTION_JOB_MANAGER:
        return set_job_manager(args, value, err);
    case OPTION_ENTRY:
        args->entry = value;
        return 0;
    case OPTION_SHUTDOWN_ON_EXIT:
        return conf_set_at(&args->conf, from_command_line, "execution.shutdown-on-attached-exit",
                           "true", err);
    case OPTION_SAVEPOINT:
        args->savepoint = o->actions == CLI_RUN ? cli_absolute_path(args, value) : value;
        return o->actions == CLI_RUN
                   ? conf_set_at(&args->conf, from_command_line, "execution.state-recovery.path",
                                 args->savepoint, err)
                   : 0;
    case OPTION_ALLOW_NON_RESTORED:
        return conf_set_at(&args->conf, from_command_line,
                           "execution.state-recovery.ignore-unclaimed-state", "true", err);
    case OPTION_CLAIM_MODE:
        return conf_set_at(&args->conf, from_command_line, "execution.state-recovery.claim-mode",
                           value, err);
    case OPTION_DRAIN:
        args->drain = true;
        return 0;
    case OPTION_FULL:
        args->full = true;
        return 0;
    case OPTION_FORMAT:
        return set_format(args, value, err);
    case OPTION_DISPOSE:
        args->dispose = value;
        return 0;
    case OPTION_BUNDLE_IGNORED:
        return 0;
    case OPTION_LIST_RUNNING:
        args->list_running = true;
        return 0;
    case OPTION_LIST_SCHEDULED:
        args->list_scheduled = true;
        return 0;
    case OPTION_LIST_ALL:
        args->list_all = true;
        return 0;
    case OPTION_NOT_HERE:
        return error_set(err, ERR_UNSUPPORTED, "Option %s: %s.", o->short_name, o->text);
    }
    return 0;
}

/* `-p 4`, `-p4`, `--parallelism 4` and `--parallelism=4`.  *ret_value: what is attached, or NULL. */
static const struct cli_option *match_option(enum cli_action_bit action, const char *arg,
                                             const char **ret_value)
{
    const struct cli_option *o = find_option(action, arg);

    *ret_value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(options) && o == NULL; i++) {
        const struct cli_option *c = &options[i];
        size_t len = c->long_name != NULL ? strlen(c->long_name) : 0;
        if (c->value == NULL || (c->actions & action) == 0) {
            continue;
        }
        if (len > 0 && strncmp(arg, c->long_name, len) == 0 && arg[len] == '=') {
            o = c;
            *ret_value = arg + len + 1;
        } else if (cstr_starts_with(arg, c->short_name) && strlen(c->short_name) == 2) {
            o = c;
            *ret_value = arg + strlen(c->short_name);
        }
    }
    return o;
}

/* The option at argv[*i] and its value; *i is its last word afterwards. */
static int parse_option(struct cli_args *args, enum cli_action_bit action, int argc, char **argv,
                        int *i, struct error *err)
{
    const char *value;
    const struct cli_option *o = match_option(action, argv[*i], &value);

    if (o == NULL) {
        return unknown_option(action, argv[*i], err);
    }
    if (o->value != NULL && value == NULL) {
        if (++*i == argc) {
            return error_set(err, ERR_INVALID_ARGUMENT, "Missing argument for option: %s",
                             argv[*i - 1]);
        }
        value = argv[*i];
    }
    return apply(args, o, value, err);
}

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0';
}

/* The options of `run` and `info` end at the bundle: what follows is the job's.  Those of the other actions stand
 * anywhere, as `flink checkpoint JOB --full`. */
static bool has_job_args(enum cli_action_bit action)
{
    return action == CLI_RUN || action == CLI_INFO;
}

/* Words are moved to the front of argv: *ret_words of them. */
static int parse_anywhere(struct cli_args *args, enum cli_action_bit action, int argc, char **argv,
                          int *ret_words, struct error *err)
{
    int n_words = 0;

    for (int i = 0; i < argc; i++) {
        if (!is_option(argv[i])) {
            argv[n_words++] = argv[i];
            continue;
        }
        TRY(parse_option(args, action, argc, argv, &i, err));
    }
    *ret_words = n_words;
    return 0;
}

int cli_args_parse(struct cli_args *args, enum cli_action_bit action, int argc, char **argv,
                   struct error *err)
{
    const char *value;
    int i = 0;

    if (!has_job_args(action)) {
        TRY(parse_anywhere(args, action, argc, argv, &argc, err));
    }
    for (; i < argc && is_option(argv[i]); i++) {
        if (args->bundle != NULL && match_option(action, argv[i], &value) == NULL) {
            break; /* behind -j the job's own options begin where the command's end */
        }
        TRY(parse_option(args, action, argc, argv, &i, err));
    }
    if (i < argc && args->bundle == NULL) {
        args->bundle = argv[i++];
    }
    args->job_args = argv + i;
    args->n_job_args = argc - i;
    return 0;
}

const char *cli_absolute_path(struct cli_args *args, const char *path)
{
    struct fs_location l;
    struct error ignored = ERROR_INIT;

    if (path == NULL || path[0] == '\0' || path[0] == '/' || strchr(path, ':') != NULL ||
        fs_location_parse(path, &l, &ignored) < 0) {
        return path;
    }
    char *absolute = mem_strdup(l.path);
    fs_location_fini(&l);
    if (args->paths.item_size == 0) {
        vec_init(&args->paths, sizeof(char *));
    }
    vec_push_ptr(&args->paths, absolute);
    return absolute;
}

void cli_args_fini(struct cli_args *args)
{
    for (size_t i = 0; i < args->paths.len; i++) {
        mem_free(vec_ptr(&args->paths, i));
    }
    vec_fini(&args->paths);
    conf_fini(&args->conf);
}
