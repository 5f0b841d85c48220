/* A bundle that calls what nothing provides. */
#include <flinc/flinc.h>

int helper_that_was_not_linked(int);

static int job(flinc_env *env, int argc, char **argv)
{
    flinc_print(flinc_from_sequence(env, 1, helper_that_was_not_linked(argc)));
    return flinc_env_execute(env, "unresolved");
}
FLINC_JOB(job)
