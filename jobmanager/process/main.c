/* libexec/flinc-jobmanager. */
#include "jobmanager/process/process.h"

int main(int argc, char **argv)
{
    return jobmanager_main(argc, argv);
}
