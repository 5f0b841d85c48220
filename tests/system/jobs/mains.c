/* Mains that do what a main should not: built with -DDO_<what>. */
#include <flinc/flinc.h>
#include <stdlib.h>

static void build(flinc_env *env)
{
    flinc_print(flinc_from_sequence(env, 1, 3));
}

#if defined(DO_NOT_EXECUTE)
static int job(flinc_env *env, int argc, char **argv)
{
    build(env);
    return 0;
}
#elif defined(DO_EXECUTE_TWICE)
static int job(flinc_env *env, int argc, char **argv)
{
    build(env);
    if (flinc_env_execute(env, "one") != 0) {
        return -1;
    }
    build(env);
    return flinc_env_execute(env, "two");
}
#elif defined(DO_CRASH)
static int job(flinc_env *env, int argc, char **argv)
{
    volatile int *nothing = NULL;
    build(env);
    return *nothing;
}
#elif defined(DO_ABORT)
static int job(flinc_env *env, int argc, char **argv)
{
    abort();
}
#elif defined(DO_EXIT)
static int job(flinc_env *env, int argc, char **argv)
{
    build(env);
    exit(0);
}
#elif defined(DO_RETURN_SEVEN)
static int job(flinc_env *env, int argc, char **argv)
{
    build(env);
    return flinc_env_execute(env, "seven") != 0 ? -1 : 7;
}
#elif defined(DO_BUILD_NOTHING)
static int job(flinc_env *env, int argc, char **argv)
{
    return flinc_env_execute(env, "nothing");
}
#elif defined(DO_FAIL)
static int job(flinc_env *env, int argc, char **argv)
{
    flinc_env_fail(env, "the moon is not %s enough", "full");
    return flinc_env_execute(env, "fail");
}
#elif defined(DO_MISNAME_A_COLUMN)
FLINC_STRUCT(reading, FLINC_STRING(sensor), FLINC_DOUBLE(degrees));

static int job(flinc_env *env, int argc, char **argv)
{
    const reading some[] = {{FLINC_STR("roof"), 20.5}};
    flinc_stream *readings = flinc_from_elements(env, some, 1, FLINC_TYPE(reading));
    flinc_print(flinc_max_by(flinc_key_by(readings, "sensr"), "degrees")); /* the mistake */
    return flinc_env_execute(env, "misnamed");
}
#endif
FLINC_JOB(job)
