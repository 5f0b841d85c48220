/* A main that never ends. */
#include <flinc/flinc.h>
#include <unistd.h>

static int job(flinc_env *env, int argc, char **argv)
{
    for (;;) {
        pause();
    }
}
FLINC_JOB(job)
