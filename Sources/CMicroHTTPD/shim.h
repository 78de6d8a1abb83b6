#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>

// libmicrohttpd's calls that take a variable number of arguments, which Swift cannot call.

/// Starts a daemon on 127.0.0.1:port (0: any free port) with a thread per connection. With a certificate and a key (PEM
/// texts that outlive the daemon) it speaks TLS. Returns NULL with errno set when it cannot.
static inline struct MHD_Daemon *cmhd_start_on_loopback(
    uint16_t port, MHD_AccessHandlerCallback handler, MHD_RequestCompletedCallback completed, void *context,
    const char *certificate, const char *key) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    // The library's own Date header is suppressed: the platform writes one that can be wrong on purpose.
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC
        | MHD_USE_SUPPRESS_DATE_NO_CLOCK | (certificate ? MHD_USE_TLS : 0);
    return MHD_start_daemon(
        flags, port, NULL, NULL, handler, context,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_NOTIFY_COMPLETED, completed, context,
        MHD_OPTION_CONNECTION_LIMIT, 256u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)64 << 10,
        MHD_OPTION_CONNECTION_TIMEOUT, 300u,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)1 << 20,
        MHD_OPTION_ARRAY, certificate ? tls : none,
        MHD_OPTION_END);
}

/// The port a daemon listens on; 0 when it does not say.
static inline uint16_t cmhd_port(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

/// The socket of a connection; -1 when it has none.
static inline int cmhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

// Constants of the library's closed enumerations are used here, where their names do not depend on its version.

/// The value of a request's header; NULL when it has none of that name.
static inline const char *cmhd_header(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/// Hands every option of the request's query to `body`.
static inline void cmhd_each_option(struct MHD_Connection *connection, MHD_KeyValueIterator body, void *context) {
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, body, context);
}

/// An answer with a copy of `size` bytes.
static inline struct MHD_Response *cmhd_response(const void *bytes, size_t size) {
    return MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY);
}
