#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "streamer/handover.h"

/* ---- one message ---- */

static void drop_fds(struct hand_message *message)
{
	while (message->fd_count > 0) {
		(void)close(message->fds[--message->fd_count]);
	}
}

void hand_message_fini(struct hand_message *message)
{
	drop_fds(message);
	free(message->bytes);
	message->bytes = NULL;
}

static enum err_code gone(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "the other streamer is gone");
}

union control {
	struct cmsghdr header; /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int) * HAND_FDS_MAX)];
};

static void attach(struct msghdr *msg, union control *control, const int *fds, size_t count)
{
	struct cmsghdr *header;

	if (count == 0) {
		return;
	}
	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * count);
	header = CMSG_FIRSTHDR(msg);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
}

enum err_code hand_send(int fd, enum hand_type type, struct str body, const int *fds, size_t count,
                        struct err *err)
{
	union {
		const char *in;
		void *out;
	} bytes = { .in = body.p };
	unsigned char first = (unsigned char)type;
	struct iovec iov[2] = { { &first, 1 }, { bytes.out, body.n } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body.n > 0 ? 2 : 1 };
	union control control;
	enum err_code code;

	attach(&msg, &control, fds, count);
	while (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EAGAIN) {
			code = fiber_wait_fd(fd, FIBER_WRITE, HAND_STEP_MS);
			if (code != ERR_OK) {
				return err_set(err, code, "the other streamer does not read");
			}
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return gone(err);
		} else if (errno != EINTR) {
			return err_set(err, ERR_INTERNAL, "sendmsg: %s", strerror(errno));
		}
	}
	return ERR_OK;
}

static void take_fds(struct msghdr *msg, struct hand_message *message)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(msg); at != NULL; at = CMSG_NXTHDR(msg, at)) {
		if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS) {
			message->fd_count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(message->fds, CMSG_DATA(at), sizeof(int) * message->fd_count);
		}
	}
}

static enum err_code understand(ssize_t n, const struct msghdr *msg, struct hand_message *message,
                                struct err *err)
{
	if (n == 0) {
		return gone(err);
	}
	if ((msg->msg_flags & MSG_CTRUNC) != 0) {
		return err_set(err, ERR_LIMIT, "no more file descriptors");
	}
	if ((msg->msg_flags & MSG_TRUNC) != 0) {
		return err_set(err, ERR_INVALID, "a message is too long");
	}
	message->type = (enum hand_type)message->bytes[0];
	message->body = str_make((const char *)message->bytes + 1, (size_t)n - 1);
	return ERR_OK;
}

enum err_code hand_receive(int fd, struct hand_message *message, struct err *err)
{
	union control control;
	struct iovec iov;
	struct msghdr msg;
	enum err_code code;
	ssize_t n;

	drop_fds(message);
	if (message->bytes == NULL) {
		message->bytes = mem_calloc(1, HAND_BODY_MAX);
	}
	do {
		iov = (struct iovec){ message->bytes, HAND_BODY_MAX };
		msg = (struct msghdr){ .msg_iov = &iov,
			               .msg_iovlen = 1,
			               .msg_control = control.bytes,
			               .msg_controllen = sizeof(control.bytes) };
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			code = fiber_wait_fd(fd, FIBER_READ, HAND_STEP_MS);
			if (code != ERR_OK) {
				return err_set(err, code, "the other streamer does not answer");
			}
		} else if (n < 0 && errno == ECONNRESET) {
			return gone(err);
		} else if (n < 0 && errno != EINTR) {
			return err_set(err, ERR_INTERNAL, "recvmsg: %s", strerror(errno));
		}
	} while (n < 0);
	take_fds(&msg, message);
	return understand(n, &msg, message, err);
}

enum err_code hand_expect(int fd, enum hand_type type, struct hand_message *message,
                          struct err *err)
{
	enum err_code code = hand_receive(fd, message, err);

	if (code != ERR_OK) {
		return code;
	}
	if (message->type == HAND_NO) {
		return err_set(err, ERR_CONFLICT, "the other streamer says: %.*s",
		               (int)message->body.n, message->body.p);
	}
	if (message->type != type) {
		return err_set(err, ERR_INVALID, "message %d instead of %d", (int)message->type,
		               (int)type);
	}
	return ERR_OK;
}

void hand_refuse(int fd, const struct err *why)
{
	char bytes[1 + ERR_MSG_MAX];
	int n = snprintf(bytes, sizeof(bytes), "%c%s", (char)HAND_NO, why->msg);

	(void)!send(fd, bytes, (size_t)n < sizeof(bytes) ? (size_t)n : sizeof(bytes) - 1,
	            MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- the socket ---- */

static enum err_code address_of(const char *path, struct sockaddr_un *ret, struct err *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!str_copy(ret->sun_path, sizeof(ret->sun_path), str_of(path))) {
		return err_set(err, ERR_INVALID, "streamer.takeover %s: the path is too long",
		               path);
	}
	return ERR_OK;
}

/* It is whole before it appears under its name. */
int hand_listen(const char *path, struct err *err)
{
	struct sockaddr_un address;
	char own[sizeof(address.sun_path) + 16];
	int fd;

	(void)snprintf(own, sizeof(own), "%s.%ld", path, (long)getpid());
	if (address_of(own, &address, err) != ERR_OK) {
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)unlink(own);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(own, S_IRUSR | S_IWUSR) != 0 || listen(fd, 1) != 0 || rename(own, path) != 0) {
		(void)err_set(err, ERR_UNAVAILABLE, "streamer.takeover %s: %s", path,
		              strerror(errno));
		(void)unlink(own);
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	return fd;
}

enum err_code hand_connect(const char *path, int *ret_fd, struct err *err)
{
	struct sockaddr_un address;
	enum err_code code = address_of(path, &address, err);
	int fd, error;

	if (code != ERR_OK) {
		return code;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = fd;
		return ERR_OK;
	}
	error = errno;
	if (fd >= 0) {
		(void)close(fd);
	}
	if (error == ENOENT || error == ECONNREFUSED) {
		return err_set(err, ERR_NOT_FOUND, "nobody listens at %s", path);
	}
	return err_set(err, ERR_UNAVAILABLE, "streamer.takeover %s: %s", path, strerror(error));
}

enum err_code hand_peer(int fd, pid_t *ret_pid, struct err *err)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
		return err_set(err, ERR_FORBIDDEN, "the other end is of another user");
	}
	*ret_pid = peer.pid;
	return ERR_OK;
}
