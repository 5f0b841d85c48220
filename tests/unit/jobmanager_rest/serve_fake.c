/* The REST server over the fake cluster as a program of its own: prints its port, ends with its input. */
#include "tests/unit/jobmanager_rest/fake_cluster.h"
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct fake_cluster cluster;
    char end;
    fake_cluster_start(&cluster, NULL);
    cluster.jobs = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    printf("%u\n", rest_server_port(cluster.server));
    fflush(stdout);
    while (read(STDIN_FILENO, &end, 1) > 0) {
    }
    fake_cluster_stop(&cluster);
    return 0;
}
