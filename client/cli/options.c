/* Options that follow an action: one table, from which parsing and help come. */
#include "client/cli/cli.h"
#include "common/text/number.h"
#include <stdio.h>

enum option_id {
    OPTION_HELP,
    OPTION_VERBOSE,
    OPTION_PROPERTY,
    OPTION_TARGET,
    OPTION_PARALLELISM,
    OPTION_DETACHED,
    OPTION_BUNDLE,
};

struct cli_option {
    enum option_id id;
    const char *short_name, *long_name;
    const char *value; /* how the help names its value; NULL: none */
    const char *text;
};

static const struct cli_option options[] = {
    {OPTION_HELP, "-h", "--help", NULL, "Show this help."},
    {OPTION_VERBOSE, "-v", "--verbose", NULL, "Accepted, as Flink does; without effect."},
    {OPTION_TARGET, "-t", "--target", "<arg>",
     "Where the job runs: \"local\", in this process (execution.target)."},
    {OPTION_TARGET, "-e", "--executor", "<arg>", "Deprecated name of --target."},
    {OPTION_PARALLELISM, "-p", "--parallelism", "<number>",
     "Parallelism of operators that do not set their own (parallelism.default)."},
    {OPTION_PROPERTY, "-D", NULL, "<key=value>", "Sets a configuration key; may be repeated."},
    {OPTION_DETACHED, "-d", "--detached", NULL, "Does not wait for the job (not with -t local)."},
    {OPTION_BUNDLE, "-j", "--jarfile", "<file>", "The job bundle, instead of the first argument."},
};

void cli_print_options(void)
{
    printf("  Options:\n");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct cli_option *o = &options[i];
        char names[64];
        (void)snprintf(names, sizeof(names), "%s%s%s%s%s", o->short_name,
                       o->long_name != NULL ? "," : "", o->long_name != NULL ? o->long_name : "",
                       o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        printf("     %-32s %s\n", names, o->text);
    }
}

static const struct cli_option *find_option(const char *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct cli_option *o = &options[i];
        if (strcmp(arg, o->short_name) == 0 ||
            (o->long_name != NULL && strcmp(arg, o->long_name) == 0)) {
            return o;
        }
    }
    return NULL;
}

static int unknown_option(const char *arg, struct error *err)
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
    return error_set(
        err, ERR_INVALID_ARGUMENT,
        "Unrecognized option: %s%s%s%s; options of the job itself go behind the bundle. "
        "Use the help option (-h or --help) to get help on the command.",
        arg, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
        near != NULL ? "?" : "");
}

static int set_parallelism(struct cli_args *args, const char *value, struct error *err)
{
    int64_t n = 0;

    if (number_parse_int64(slice_cstr(value), &n) < 0 || n < 1 || n > 32768) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The parallelism must be a positive number (1 to 32768): %s", value);
    }
    return conf_set_at(&args->conf, (struct conf_place){CONF_ORIGIN_COMMAND_LINE, NULL, 0},
                       "parallelism.default", value, err);
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
    case OPTION_BUNDLE:
        args->bundle = value;
        return 0;
    }
    return 0;
}

/* `-p 4`, `-p4`, `--parallelism 4` and `--parallelism=4`.  *ret_value: what is attached, or NULL. */
static const struct cli_option *match_option(const char *arg, const char **ret_value)
{
    const struct cli_option *o = find_option(arg);

    *ret_value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(options) && o == NULL; i++) {
        const struct cli_option *c = &options[i];
        size_t len = c->long_name != NULL ? strlen(c->long_name) : 0;
        if (c->value == NULL) {
            continue;
        }
        if (len > 0 && strncmp(arg, c->long_name, len) == 0 && arg[len] == '=') {
            o = c;
            *ret_value = arg + len + 1;
        } else if (cstr_starts_with(arg, c->short_name)) {
            o = c;
            *ret_value = arg + strlen(c->short_name);
        }
    }
    return o;
}

int cli_args_parse(struct cli_args *args, int argc, char **argv, struct error *err)
{
    int i = 0;

    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        const char *value;
        const struct cli_option *o = match_option(argv[i], &value);
        if (o == NULL && args->bundle != NULL) {
            break; /* behind -j the job's own options begin where the command's end */
        }
        if (o == NULL) {
            return unknown_option(argv[i], err);
        }
        if (o->value != NULL && value == NULL) {
            if (++i == argc) {
                return error_set(err, ERR_INVALID_ARGUMENT, "Missing argument for option: %s",
                                 argv[i - 1]);
            }
            value = argv[i];
        }
        TRY(apply(args, o, value, err));
    }
    if (i < argc && args->bundle == NULL) {
        args->bundle = argv[i++];
    }
    args->job_args = argv + i;
    args->n_job_args = argc - i;
    return 0;
}

void cli_args_fini(struct cli_args *args)
{
    conf_fini(&args->conf);
}
