/* A job that has nothing to do: what running it takes is what starting and ending take. */
#include <flinc/flinc.h>

static int empty(flinc_env *env, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    flinc_discard(flinc_from_elements(env, &(flinc_int64){0}, 0, FLINC_TYPE(flinc_int64)));
    return flinc_env_execute(env, "empty job");
}
FLINC_JOB(empty)
