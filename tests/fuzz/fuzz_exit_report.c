/* Whatever a worker and the user code in it wrote to stderr: a report that a terminal can show. */
#include "taskmanager/host/exit_report.h"
#include <signal.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT;
    const struct exit_facts facts = {
        .job_name = "job",
        .pid = 1,
        .signal = size % 2 == 0 ? SIGSEGV : 0,
        .stderr_tail = slice_make((const char *)data, size),
    };
    exit_report_make(&facts, &err);
    ASSERT(err.code < 0 && err.message[0] != '\0');
    for (const char *at = err.message; *at != '\0'; at++) {
        ASSERT((unsigned char)*at >= 0x20 || *at == '\n');
    }
    return 0;
}
