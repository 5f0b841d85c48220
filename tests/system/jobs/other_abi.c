/* A bundle as the headers of another version would make it. */
#include <flinc/flinc.h>

static int job(flinc_env *env, int argc, char **argv)
{
    return flinc_env_execute(env, "other");
}

FLINC_API const flinc_job flinc_job_entry = {sizeof(flinc_job), FLINC_ABI_VERSION + 7, "job", job,
                                             "9.8.7"};
