/* A bundle whose job has a name, for reading it. */
#include "flinc/flinc.h"

static int sample_main(flinc_env *env, int argc, char **argv)
{
    return 0;
}
FLINC_JOB(sample_main)
