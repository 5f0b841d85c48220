/* The connectors of the tree; a row each. */
#include "connectors/registry/registry.h"

#include "connectors/blackhole/blackhole.h"
#include "connectors/datagen/datagen.h"
#include "connectors/filesystem/filesystem.h"
#include "connectors/nexmark/nexmark.h"
#include "connectors/plugin/plugin.h"
#include "connectors/print/print.h"
#include "engine/query/query.h"

#include <pthread.h>

static const struct table_connector *const connectors[] = {
    &connector_blackhole, &connector_datagen, &connector_filesystem,
    &connector_nexmark,   &connector_print,
};

/* Operators of all connectors of plug-ins: known also where the plug-in is missing, which they say. */
static const struct operator_desc *const shared[] = {&operator_plugin_source,
                                                     &operator_plugin_sink};

static void register_all(void)
{
    query_operators_register();
    for (size_t i = 0; i < ARRAY_LEN(connectors); i++) {
        int rc = table_connector_register(connectors[i], NULL);
        ASSERT(rc == 0); /* each once, of this build's version */
    }
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        int rc = table_operator_register(shared[i], NULL);
        ASSERT(rc == 0);
    }
}

void connectors_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_all);
}
