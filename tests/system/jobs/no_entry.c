/* A shared object that is no bundle: FLINC_JOB was forgotten. */
#include <flinc/flinc.h>

int job(flinc_env *env, int argc, char **argv)
{
    return flinc_env_execute(env, "none");
}
