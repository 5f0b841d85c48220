/* References to user functions: an offset into the library that holds the function, guarded by the
 * library's build id, so that the graph is plain data and static functions work. */
#include "common/plugin/code_library.h"
#include "sdk/internal.h"
#include <stdlib.h>

enum { FUNCTION_CONFIG_MAX = 1024 * 1024 };

static bool is_bundle(const flinc_env *env, const char *path)
{
    char *real = env->bundle_path != NULL ? realpath(path, NULL) : NULL;
    bool is = real != NULL && strcmp(real, env->bundle_path) == 0;
    free(real);
    return is;
}

/* The environment's entry for a library; added when it is new. */
static const Flinc__Library *library_of(flinc_env *env, const struct code_library *where)
{
    for (size_t i = 0; i < env->libraries.len; i++) {
        const Flinc__Library *l = vec_ptr(&env->libraries, i);
        if (strcmp(l->path, where->path) == 0) {
            return l;
        }
    }
    Flinc__Library *l = arena_alloc(&env->arena, sizeof(*l));
    const char *slash = strrchr(where->path, '/');
    flinc__library__init(l);
    l->path = arena_strdup(&env->arena, where->path);
    if (is_bundle(env, where->path)) {
        l->name = arena_strdup(&env->arena, env->bundle_name);
    } else {
        l->name = arena_printf(&env->arena, "%zu-%s", env->libraries.len,
                               slash != NULL ? slash + 1 : where->path);
    }
    l->build_id = arena_strdup(&env->arena, where->build_id);
    l->abi_version = FLINC_ABI_VERSION;
    vec_push_ptr(&env->libraries, l);
    return l;
}

static Flinc__FunctionRef *make_ref(flinc_env *env, const void *address, const flinc_function *fn,
                                    flinc_fn_kind kind, flinc_place at)
{
    struct code_library where;
    struct error err = ERROR_INIT;

    if (code_library_of_address(&where, address, &err) < 0) {
        (void)env_fail_at(env, at, err.code, "function '%s': %s", fn->name, err.message);
        return NULL;
    }
    Flinc__FunctionRef *ref = arena_alloc(&env->arena, sizeof(*ref));
    flinc__function_ref__init(ref);
    ref->library = library_of(env, &where)->name;
    ref->offset = (uintptr_t)address - where.base;
    ref->name = arena_strdup(&env->arena, fn->name);
    ref->kind = kind;
    ref->location = (char *)(uintptr_t)env_location(env, flinc_place_at(fn->file, fn->line));
    if (fn->config_size > 0) {
        ref->config.len = fn->config_size;
        ref->config.data = arena_alloc(&env->arena, fn->config_size);
        memcpy(ref->config.data, fn->config, fn->config_size);
    }
    return ref;
}

Flinc__FunctionRef *env_function_ref(flinc_env *env, const flinc_function *fn, flinc_fn_kind kind,
                                     const char *call, flinc_place at)
{
    if (fn == NULL || fn->call == NULL || fn->struct_size < sizeof(flinc_function)) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                          "%s: the function is missing; give FLINC_FN(name)", call);
        return NULL;
    }
    if (fn->config_size > FUNCTION_CONFIG_MAX || (fn->config_size > 0 && fn->config == NULL)) {
        (void)env_fail_at(env, at, ERR_INVALID_ARGUMENT,
                          "%s: the configuration of function '%s' has %zu bytes (at most %d) or is "
                          "NULL",
                          call, fn->name, fn->config_size, FUNCTION_CONFIG_MAX);
        return NULL;
    }
    return make_ref(env, (const void *)(uintptr_t)fn->call, fn, kind, at);
}

/* The open, close or timer part of a function; nothing when it has none. */
static int add_part(flinc_env *env, struct stream_node *node, uintptr_t address,
                    const flinc_function *fn, flinc_fn_kind kind, flinc_place at)
{
    if (address == 0) {
        return 0;
    }
    const Flinc__FunctionRef *ref = make_ref(env, (const void *)address, fn, kind, at);
    if (ref == NULL) {
        return env->err.code;
    }
    stream_node_add_function(&env->graph, node, ref);
    return 0;
}

int env_add_function(flinc_env *env, struct stream_node *node, const flinc_function *fn,
                     flinc_fn_kind kind, const char *call, flinc_place at)
{
    const Flinc__FunctionRef *ref = env_function_ref(env, fn, kind, call, at);

    if (ref == NULL) {
        return env->err.code;
    }
    stream_node_add_function(&env->graph, node, ref);
    TRY(add_part(env, node, (uintptr_t)fn->open, fn, FLINC_FN_OPEN, at));
    TRY(add_part(env, node, (uintptr_t)fn->on_timer, fn, FLINC_FN_ON_TIMER, at));
    TRY(add_part(env, node, (uintptr_t)fn->snapshot, fn, FLINC_FN_SNAPSHOT, at));
    return add_part(env, node, (uintptr_t)fn->close, fn, FLINC_FN_CLOSE, at);
}
