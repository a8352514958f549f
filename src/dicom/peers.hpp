/**
 * @file peers.hpp
 * The connections of a receiver: a thread for each, and a watch over what their peers do.
 */
#ifndef REPRISE_DICOM_PEERS_HPP
#define REPRISE_DICOM_PEERS_HPP

#include <atomic>
#include <cstdint>
#include <list>

#include <pthread.h>

namespace rp_dicom
{

enum class Phase {
    greeting, /**< TLS and association are negotiated */
    idle,     /**< between two commands of an open association */
    busy,     /**< within a command */
    ended
};

/** One connection, as its thread tells of it. */
class Peer
{
  public:
    explicit Peer(int connection);
    ~Peer();
    int connection() const
    {
        return connection_;
    }
    Phase phase() const
    {
        return phase_;
    }
    void enter(Phase phase);

  private:
    friend class Peers;
    void cut(int how);
    bool overdue(double now, int timeout);

    const int connection_;
    /** Another descriptor of the connection: DCMTK closes the first one when it likes, and its
     * number may be another's by then. */
    const int watched_;
    pthread_t thread_ = {};
    std::atomic<Phase> phase_{Phase::greeting};
    std::atomic<double> since_; /**< of the phase */
    double moved_;              /**< when enough had arrived */
    uint64_t arrived_ = 0;      /**< bytes, then */
    bool cut_ = false;
};

/** Called in the peer's own thread. The connection is the callee's to close. */
typedef void (*Serve)(void *context, Peer &peer);

/**
 * Everything but the threads' own work happens in the thread that accepts: it must call watch()
 * several times a second. A peer cannot hold a thread for longer than
 *  - GREETING_SECONDS (or the timeout, if that is shorter) before its association is open, and it
 * is the first to go when more than GREETINGS are at that;
 *  - the timeout without a command or LEAST_BYTES of one, however slowly bytes dribble.
 */
class Peers
{
  public:
    enum { GREETINGS = 128, GREETING_SECONDS = 15, LEAST_BYTES = 4096 };

    Peers(int timeout, Serve serve, void *context)
        : timeout_(timeout), serve_(serve), context_(context)
    {
    }
    /** Ends and joins all. */
    ~Peers();
    /** Takes the connection over. */
    void add(int connection);
    /** Joins those that have ended, disconnects those that are overdue. */
    void watch();
    /** Disconnects those that have not sent anything that would be lost; with all, every one. */
    void disconnect(bool all);
    bool empty() const
    {
        return peers_.empty();
    }

  private:
    void make_room();
    const int timeout_;
    const Serve serve_;
    void *const context_;
    std::list<Peer> peers_; /**< the oldest first */
};

} // namespace rp_dicom

#endif
