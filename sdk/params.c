/* Arguments of a job's main: `--key value`, `--key=value`, `--flag`, `--key a b c`.
 * Flink: MultipleParameterTool. */
#include "common/text/number.h"
#include "common/text/units.h"
#include "sdk/internal.h"
#include <errno.h>
#include <stdlib.h>

static void free_values(void *value)
{
    struct vec *values = value;

    vec_fini(values);
    mem_free(values);
}

static bool is_key(const char *arg)
{
    return cstr_starts_with(arg, "--") && arg[2] != '\0';
}

static struct vec *values_of(flinc_params *p, const char *key)
{
    struct vec *values = map_find(&p->values, key);

    if (values == NULL) {
        values = MEM_NEW(struct vec);
        vec_init(values, sizeof(char *));
        (void)map_put(&p->values, key, values);
    }
    return values;
}

static bool check_known(flinc_env *env, const char *key, const char *const *known)
{
    size_t n = 0;
    STR_AUTO all = STR_INIT;

    for (; known != NULL && known[n] != NULL; n++) {
        if (strcmp(known[n], key) == 0) {
            return true;
        }
        str_printf(&all, "%s--%s", n > 0 ? ", " : "", known[n]);
    }
    if (known == NULL) {
        return true;
    }
    const char *near = cstr_nearest(key, known, n);
    flinc_env_fail(env, "unknown option '--%s'%s%s%s; the job understands: %s", key,
                   near != NULL ? "; did you mean '--" : "", near != NULL ? near : "",
                   near != NULL ? "'?" : "", n > 0 ? str_cstr(&all) : "no options");
    return false;
}

/* `-p N` and `-D key=value` behind the bundle mean what they mean before it.  Returns how many arguments
 * were taken; 0: it is none of them. */
static int take_run_option(flinc_env *env, int argc, char **argv, int i)
{
    const char *arg = argv[i];
    bool attached = arg[0] == '-' && (arg[1] == 'p' || arg[1] == 'D') && arg[2] != '\0';
    const char *value = attached ? arg + 2 : i + 1 < argc ? argv[i + 1] : "";

    if (arg[0] != '-' || (arg[1] != 'p' && arg[1] != 'D')) {
        return 0;
    }
    if (arg[1] == 'p') {
        int64_t n = 0;
        bool sound = number_parse_int64(slice_cstr(value), &n) == 0 && n >= 1 && n <= INT16_MAX + 1;
        if (!sound) {
            flinc_env_fail(env, "The parallelism must be a positive number (1 to 32768): %s",
                           value);
        } else {
            flinc_env_set_parallelism(env, (int)n);
        }
    } else {
        const char *equals = strchr(value, '=');
        char *key = equals != NULL ? arena_strndup(&env->arena, value, (size_t)(equals - value))
                                   : arena_strdup(&env->arena, value);
        flinc_env_set(env, key, equals != NULL ? equals + 1 : "true");
    }
    return attached ? 1 : 2;
}

flinc_params *flinc_params_parse(flinc_env *env, int argc, char **argv, const char *const *known)
{
    flinc_params *p = MEM_NEW(flinc_params);
    struct vec *values = NULL;

    p->env = env;
    map_init(&p->values, free_values);
    vec_push_ptr(&env->params, p);
    for (int i = 1; i < argc; i++) {
        int taken = take_run_option(env, argc, argv, i);
        if (taken > 0) {
            i += taken - 1;
            continue;
        }
        if (!is_key(argv[i])) {
            if (values == NULL) {
                flinc_env_fail(env,
                               "argument '%s' belongs to no option: give the job's arguments as "
                               "--key value",
                               argv[i]);
                break;
            }
            vec_push_ptr(values, arena_strdup(&env->arena, argv[i]));
            continue;
        }
        const char *equals = strchr(argv[i], '=');
        char *key = equals != NULL
                        ? arena_strndup(&env->arena, argv[i] + 2, (size_t)(equals - argv[i]) - 2)
                        : arena_strdup(&env->arena, argv[i] + 2);
        if (!check_known(env, key, known)) {
            break;
        }
        values = values_of(p, key);
        if (equals != NULL) {
            vec_push_ptr(values, arena_strdup(&env->arena, equals + 1));
        }
    }
    return p;
}

bool flinc_params_has(const flinc_params *params, const char *key)
{
    return map_has(&params->values, key);
}

const char *flinc_params_get(const flinc_params *params, const char *key, const char *otherwise)
{
    const struct vec *values = map_find(&params->values, key);

    return values != NULL && values->len > 0 ? vec_ptr(values, values->len - 1) : otherwise;
}

const char *const *flinc_params_all(const flinc_params *params, const char *key, size_t *ret_n)
{
    const struct vec *values = map_find(&params->values, key);

    *ret_n = values != NULL ? values->len : 0;
    return values != NULL ? (const char *const *)values->data : NULL;
}

static void fail_value(const flinc_params *params, const char *key, const char *value,
                       const char *expected)
{
    flinc_env_fail(params->env, "option '--%s': '%s' is not %s", key, value, expected);
}

int64_t flinc_params_int(const flinc_params *params, const char *key, int64_t otherwise)
{
    const char *text = flinc_params_get(params, key, NULL);
    char *end;

    if (text == NULL) {
        return otherwise;
    }
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        fail_value(params, key, text, "a whole number of 64 bits");
        return otherwise;
    }
    return v;
}

int64_t flinc_params_duration_ms(const flinc_params *params, const char *key, int64_t otherwise)
{
    const char *text = flinc_params_get(params, key, NULL);
    struct duration d;
    struct error err = ERROR_INIT;

    if (text == NULL) {
        return otherwise;
    }
    if (duration_parse(slice_cstr(text), &d, &err) < 0) {
        fail_value(params, key, text, "a duration like '1 s', '500 ms' or '10 min'");
        return otherwise;
    }
    return duration_to_ms(d);
}

flinc_runtime_mode flinc_params_mode(const flinc_params *params, const char *key,
                                     flinc_runtime_mode otherwise)
{
    const char *text = flinc_params_get(params, key, NULL);

    if (text == NULL) {
        return otherwise;
    }
    if (strcasecmp(text, "STREAMING") == 0) {
        return FLINC_STREAMING;
    }
    if (strcasecmp(text, "BATCH") == 0) {
        return FLINC_BATCH;
    }
    if (strcasecmp(text, "AUTOMATIC") == 0) {
        return FLINC_AUTOMATIC;
    }
    fail_value(params, key, text, "STREAMING, BATCH or AUTOMATIC");
    return otherwise;
}
