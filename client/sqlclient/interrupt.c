/* Ctrl-C ends the query and not the shell: handlers set flags that whoever waits looks at. */
#include "client/sqlclient/inside.h"
#include <signal.h>

static volatile sig_atomic_t interrupted, terminated;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static void on_terminate(int signal_number)
{
    (void)signal_number;
    terminated = 1;
    interrupted = 1;
}

void interrupt_install(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt}; /* no SA_RESTART: reads are to end */
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    sa.sa_handler = on_terminate;
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGHUP, &sa, NULL);
    sa.sa_handler = SIG_IGN; /* a reader that goes away is an error of the write */
    (void)sigaction(SIGPIPE, &sa, NULL);
}

bool interrupt_came(void)
{
    return interrupted != 0;
}

bool interrupt_is_final(void)
{
    return terminated != 0;
}

void interrupt_clear(void)
{
    interrupted = terminated;
}
