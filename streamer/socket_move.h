/* WebSockets from one streamer to the next. */
#pragma once

#include "streamer/move.h"
#include "streamer/record.h"
#include "streamer/socket.h"

/* A frozen one, for the next streamer. */
enum move socket_record(const struct socket *socket, struct arena *arena,
                        struct record *ret) MUST_CHECK;

/* One that another streamer told of, without its sessions and not yet on a connection. NULL: it is
 * not to be understood. The viewer is taken in any case. */
struct socket *socket_of(struct app *app, const struct record *record,
                         struct viewer *viewer) MUST_CHECK;
/* One of its sessions. */
void socket_restore(struct socket *socket, const struct record_followed *followed,
                    struct channel *channel);
/* It goes on, with the sessions that it has by now. */
void socket_adopt(struct socket *socket, const struct record *record, struct http_conn *conn);
