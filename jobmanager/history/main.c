/* libexec/flinc-historyserver. */
#include "jobmanager/history/process.h"

int main(int argc, char **argv)
{
    return history_main(argc, argv);
}
