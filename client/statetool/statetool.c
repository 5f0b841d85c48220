/* `flink state`: arguments, help, opening snapshots; see statetool.h.
 *
 * Thread: main. */
#include "client/statetool/statetool.h"

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "common/text/number.h"
#include "engine/data/hash.h"
#include "engine/snapshot/metadata.h"
#include <errno.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1 };

struct tool_args {
    const char *paths[2];
    int n_paths;
    bool help;
    struct state_filter filter;
};

struct tool_command {
    const char *name, *usage, *summary;
    int n_paths;
    bool takes_filter, takes_group;
    int (*run)(const struct open_snapshot *snapshots, const struct state_filter *filter,
               struct text_sink *out, struct error *err);
};

const char statetool_summary[] = "looks into checkpoints and savepoints";

static int run_info(const struct open_snapshot *s, const struct state_filter *filter,
                    struct text_sink *out, struct error *err)
{
    (void)filter;
    return state_info(s, out, err);
}

static int run_list(const struct open_snapshot *s, const struct state_filter *filter,
                    struct text_sink *out, struct error *err)
{
    return state_list(s, filter, out, err);
}

static int run_dump(const struct open_snapshot *s, const struct state_filter *filter,
                    struct text_sink *out, struct error *err)
{
    return state_dump(s, filter, out, err);
}

static int run_diff(const struct open_snapshot *s, const struct state_filter *filter,
                    struct text_sink *out, struct error *err)
{
    return state_diff(&s[0], &s[1], filter, out, err);
}

static const struct tool_command commands[] = {
    {"info", "info <snapshot>", "what it is, when it was taken, its operators and sizes", 1, false,
     false, run_info},
    {"ls", "ls <snapshot> [--operator O] [--state S]",
     "operators and their states: types, key groups, rows, bytes", 1, true, false, run_list},
    {"dump", "dump <snapshot> [--operator O] [--state S] [--key-group N]",
     "the state as a job would get it, one JSON object per line", 1, true, true, run_dump},
    {"diff", "diff <snapshot> <snapshot> [--operator O] [--state S] [--key-group N]",
     "rows added, removed and changed from the first to the second", 2, true, true, run_diff},
};

static void print_help(FILE *out)
{
    fprintf(out, "Action \"state\" %s; no cluster is needed.\n\n", statetool_summary);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(out, "  Syntax: state %s\n     %s\n", commands[i].usage, commands[i].summary);
    }
    fprintf(out,
            "\n  A snapshot is the folder of a checkpoint (.../chk-17) or savepoint, or its file "
            "_metadata.\n"
            "     --operator <id|name|uid>    Only the state of this operator.\n"
            "     --state <name>              Only the state of this name.\n"
            "     --key-group <n>             Only keyed state of this key group.\n"
            "  -h,--help                      Show this help.\n");
}

/* ---- arguments -------------------------------------------------------------------------------- */

/* The value of `--name v` or `--name=v`; 1: it was this option, 0: it was not. */
static int take_option(const char *name, int *i, int argc, char **argv, const char **ret,
                       struct error *err)
{
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0 || (argv[*i][len] != '\0' && argv[*i][len] != '=')) {
        return 0;
    }
    if (argv[*i][len] == '=') {
        *ret = argv[*i] + len + 1;
    } else if (*i + 1 < argc) {
        *ret = argv[++*i];
    } else {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s needs a value", name);
    }
    return 1;
}

static int parse_group(const char *text, int64_t *ret, struct error *err)
{
    int64_t group;
    if (number_parse_int64(slice_cstr(text), &group) < 0 || group < 0 ||
        group >= MAX_PARALLELISM_LIMIT) {
        return error_set(err, ERR_INVALID_ARGUMENT, "--key-group %s: a key group is 0 to %d", text,
                         MAX_PARALLELISM_LIMIT - 1);
    }
    *ret = group;
    return 0;
}

static int parse_one(const struct tool_command *c, struct tool_args *args, int *i, int argc,
                     char **argv, struct error *err)
{
    const char *group = NULL;
    const char *text = argv[*i];
    if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0) {
        args->help = true;
        return 0;
    }
    int rc = c->takes_filter
                 ? take_option("--operator", i, argc, argv, &args->filter.operator_name, err)
                 : 0;
    if (rc == 0 && c->takes_filter) {
        rc = take_option("--state", i, argc, argv, &args->filter.state, err);
    }
    if (rc == 0 && c->takes_group) {
        rc = take_option("--key-group", i, argc, argv, &group, err);
    }
    if (rc != 0) {
        return rc < 0 || group == NULL ? MIN(rc, 0)
                                       : parse_group(group, &args->filter.key_group, err);
    }
    if (text[0] == '-' && text[1] != '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "unknown option '%s'; usage: flink state %s",
                         text, c->usage);
    }
    if (args->n_paths == c->n_paths) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'%s' is one too many; usage: flink state %s",
                         text, c->usage);
    }
    args->paths[args->n_paths++] = text;
    return 0;
}

static int parse_args(const struct tool_command *c, struct tool_args *args, int argc, char **argv,
                      struct error *err)
{
    args->filter.key_group = -1;
    for (int i = 1; i < argc; i++) {
        TRY(parse_one(c, args, &i, argc, argv, err));
    }
    if (!args->help && args->n_paths < c->n_paths) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s; usage: flink state %s",
                         c->n_paths == 1 ? "which snapshot?" : "which two snapshots?", c->usage);
    }
    return 0;
}

/* ---- snapshots, filters, output --------------------------------------------------------------- */

int open_snapshot_read(struct open_snapshot *s, const char *path, struct error *err)
{
    *s = (struct open_snapshot){.m = NULL};
    return metadata_read(path, &s->m, &s->directory, err);
}

void open_snapshot_fini(struct open_snapshot *s)
{
    if (s->m != NULL) {
        flinc__checkpoint_metadata__free_unpacked(s->m, NULL);
    }
    str_fini(&s->directory);
}

void operator_id_hex(const Flinc__OperatorSnapshot *o, char ret_hex[33])
{
    struct flinc_id id = {{0}};
    memcpy(id.bytes, o->operator_id.data, MIN(o->operator_id.len, sizeof(id.bytes)));
    id_format(&id, ret_hex);
}

bool state_filter_has_operator(const struct state_filter *f, const Flinc__OperatorSnapshot *o)
{
    char hex[33];
    operator_id_hex(o, hex);
    return f->operator_name == NULL || strcmp(f->operator_name, hex) == 0 ||
           strcmp(f->operator_name, o->name) == 0 ||
           (o->uid[0] != '\0' && strcmp(f->operator_name, o->uid) == 0);
}

/* A name that is nowhere is a mistake, not an empty answer. */
static int check_filter(const struct open_snapshot *s, const struct state_filter *f,
                        struct error *err)
{
    struct vec names = VEC_INIT(const char *);
    bool found = f->operator_name == NULL;
    for (size_t i = 0; i < s->m->n_operators; i++) {
        found = found || state_filter_has_operator(f, s->m->operators[i]);
        vec_push_ptr(&names, s->m->operators[i]->name);
    }
    int rc = 0;
    if (!found) {
        const char *near = cstr_nearest(f->operator_name, names.data, names.len);
        rc = error_set(
            err, ERR_NOT_FOUND, "%s has no operator '%s'%s%s%s; 'flink state info' names them",
            str_cstr(&s->directory), f->operator_name, near != NULL ? ": did you mean '" : "",
            near != NULL ? near : "", near != NULL ? "'?" : "");
    }
    vec_fini(&names);
    return rc;
}

int text_sink_drain(struct text_sink *s, size_t above, struct error *err)
{
    if (s->text.len <= above) {
        return 0;
    }
    size_t n = fwrite(s->text.data, 1, s->text.len, s->out);
    if (n < s->text.len) {
        return error_set_errno(err, errno, "writing the result");
    }
    str_clear(&s->text);
    return 0;
}

/* ---- running ---------------------------------------------------------------------------------- */

static int run_command(const struct tool_command *c, const struct tool_args *args, FILE *out,
                       struct error *err)
{
    struct open_snapshot snapshots[2] = {{.m = NULL}, {.m = NULL}};
    struct text_sink sink = {.out = out};
    int rc = 0;
    for (int i = 0; i < args->n_paths && rc == 0; i++) {
        rc = open_snapshot_read(&snapshots[i], args->paths[i], err);
    }
    if (rc == 0 && args->n_paths == 1) {
        rc = check_filter(&snapshots[0], &args->filter, err);
    }
    if (rc == 0) {
        rc = c->run(snapshots, &args->filter, &sink, err);
    }
    if (rc == 0) {
        rc = text_sink_drain(&sink, 0, err);
    }
    if (fflush(out) != 0 && rc == 0) {
        rc = error_set_errno(err, errno, "writing the result");
    }
    str_fini(&sink.text);
    open_snapshot_fini(&snapshots[0]);
    open_snapshot_fini(&snapshots[1]);
    return rc;
}

static const struct tool_command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int statetool_main(int argc, char **argv, FILE *out)
{
    struct error err = ERROR_INIT;
    struct tool_args args = {.n_paths = 0};
    if (argc < 1 || strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "--help") == 0) {
        print_help(argc < 1 ? stderr : out);
        return argc < 1 ? EXIT_FAILED : EXIT_OK;
    }
    const struct tool_command *c = find_command(argv[0]);
    int rc = 0;
    if (c == NULL) {
        rc = error_set(&err, ERR_INVALID_ARGUMENT,
                       "'%s' is no sub-command of state: there are info, ls, dump and diff",
                       argv[0]);
    } else {
        rc = parse_args(c, &args, argc, argv, &err);
    }
    if (rc == 0 && args.help) {
        print_help(out);
        return EXIT_OK;
    }
    if (rc == 0) {
        rc = run_command(c, &args, out, &err);
    }
    if (rc < 0) {
        char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX + 64];
        (void)fflush(out);
        fprintf(stderr, "flink state: %s\n", error_format(&err, text, sizeof(text)));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}
