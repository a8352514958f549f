/* Threads of connections, and when they are cut off. */
#include "peers.hpp"

#include "reprise/base.h"

#include <algorithm>

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rp_dicom
{

/* ---- one ----------------------------------------------------------------------------------- */

Peer::Peer(int connection)
    : connection_(connection), watched_(fcntl(connection, F_DUPFD_CLOEXEC, 0)),
      since_(rp_seconds()), moved_(rp_seconds())
{
}

Peer::~Peer()
{
    if (watched_ >= 0) close(watched_);
}

void Peer::enter(Phase phase)
{
    since_ = rp_seconds();
    phase_ = phase;
}

/** Whatever the thread waits for comes to an end; it closes the connection itself. */
void Peer::cut(int how)
{
    shutdown(watched_, how);
    cut_ = cut_ || how == SHUT_RDWR;
}

/** Bytes that came, TLS or not. */
static uint64_t bytes_of(int descriptor)
{
    tcp_info info = {};
    socklen_t length = sizeof info;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
    return info.tcpi_bytes_received;
}

bool Peer::overdue(double now, int timeout)
{
    if (phase_ == Phase::greeting)
        return now - since_ > std::min(timeout, int(Peers::GREETING_SECONDS));
    const uint64_t bytes = bytes_of(watched_);
    if (bytes >= arrived_ + Peers::LEAST_BYTES) {
        arrived_ = bytes;
        moved_ = now;
    }
    /* A second more, so that an association in which nothing comes is aborted by its own thread. */
    return now - std::max(since_.load(), moved_) > timeout + 1;
}

/* ---- all ------------------------------------------------------------------------------------- */

struct Start {
    Serve serve;
    void *context;
    Peer *peer;
};

static void *run(void *argument)
{
    const Start start = *static_cast<Start *>(argument);
    delete static_cast<Start *>(argument);
    start.serve(start.context, *start.peer);
    start.peer->enter(Phase::ended);
    return nullptr;
}

static bool start_thread(pthread_t *thread, Start *start)
{
    enum { STACK = 2 << 20 }; /* parsing takes up to 256 KiB, see parse.cpp */
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    const bool started = pthread_attr_setstacksize(&attributes, STACK) == 0 &&
                         pthread_create(thread, &attributes, run, start) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

void Peers::add(int connection)
{
    make_room();
    peers_.emplace_back(connection);
    Peer &peer = peers_.back();
    Start *start = new Start{serve_, context_, &peer};
    if (peer.watched_ >= 0 && start_thread(&peer.thread_, start)) return;
    delete start;
    peers_.pop_back();
    close(connection);
}

/** Whoever has been greeting for longest is the least likely to have anything to say. */
void Peers::make_room()
{
    Peer *oldest = nullptr;
    int count = 0;
    for (Peer &peer : peers_) {
        if (peer.phase_ != Phase::greeting || peer.cut_) continue;
        if (!oldest) oldest = &peer;
        count++;
    }
    if (count >= GREETINGS) oldest->cut(SHUT_RDWR);
}

void Peers::watch()
{
    const double now = rp_seconds();
    for (auto peer = peers_.begin(); peer != peers_.end();) {
        if (peer->phase_ == Phase::ended) {
            pthread_join(peer->thread_, nullptr);
            peer = peers_.erase(peer);
            continue;
        }
        if (!peer->cut_ && peer->overdue(now, timeout_)) peer->cut(SHUT_RDWR);
        ++peer;
    }
}

void Peers::disconnect(bool all)
{
    for (Peer &peer : peers_)
        if (all || peer.phase_ == Phase::greeting)
            peer.cut(SHUT_RDWR);
        else if (peer.phase_ == Phase::idle)
            peer.cut(SHUT_RD); /* it still can be told */
}

Peers::~Peers()
{
    disconnect(true);
    for (Peer &peer : peers_) pthread_join(peer.thread_, nullptr);
}

} // namespace rp_dicom
