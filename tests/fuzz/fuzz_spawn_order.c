/* Damaged requests to the spawner: refused, or an order whose strings all lie in the packet. */
#include "common/spawner/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spawn_order o;
    if (spawn_order_decode(data, size, &o, NULL) == 0) {
        size_t total = strlen(o.path);
        for (uint32_t i = 0; i < o.header.n_argv; i++) {
            total += strlen(o.argv[i]);
        }
        for (uint32_t i = 0; i < o.header.n_environment; i++) {
            total += strlen(o.environment[i]);
        }
        ASSERT(total < size);
        spawn_order_fini(&o);
    }
    return 0;
}
