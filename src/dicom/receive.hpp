/**
 * @file receive.hpp
 * What the associations of a receiver share: where objects go, and when to end.
 */
#ifndef REPRISE_DICOM_RECEIVE_HPP
#define REPRISE_DICOM_RECEIVE_HPP

#include "network.hpp"

#include <mutex>

#include "dcmtk/dcmnet/dimse.h"

namespace rp_dicom
{

/** Thread safe. */
class Receiver
{
  public:
    Receiver(const rp_receive_options &options, const rp_receive_sinks &sinks,
             const rp_progress *progress, rp_receive_summary &summary);
    ~Receiver();
    /** Takes the folder: RP_ERR_IO where it cannot be written or another receiver has it. Throws
     * away what a killed one has left. */
    rp_status open(rp_error *err);

    const rp_receive_options &options() const
    {
        return options_;
    }
    int timeout() const;
    /** Receives the data set of a request and answers it. False: the association is broken. */
    bool store(T_ASC_Association *association, T_ASC_PresentationContextID id,
               T_DIMSE_C_StoreRQ &request);

    /** Whether one more association may be open; if so it is, until finished. */
    bool admit();
    void finished(bool served);
    /** Accept no more associations. */
    bool over();
    /** Open associations are to end after the command at hand. */
    bool stopping();
    void stop();

  private:
    enum { ASSOCIATIONS = 64 };
    bool land(T_ASC_Association *association, T_ASC_PresentationContextID id,
              const T_DIMSE_C_StoreRQ &request, Uint16 &answer);
    /** Puts a received file into its place; the status for the sender. */
    Uint16 keep(rp_outfile *file, const T_DIMSE_C_StoreRQ &request);
    Uint16 place(rp_outfile *file, const std::string &folder, const std::string &name);
    void count(const std::string &path, bool known);

    const rp_receive_options &options_;
    const rp_receive_sinks &sinks_;
    const rp_progress *progress_;
    rp_receive_summary &summary_;
    std::string incoming_;
    int lock_ = -1; /**< descriptor of the locked folder */
    std::mutex mutex_;
    int open_ = 0;
    bool stop_ = false;
    double idle_since_ = 0;
};

} // namespace rp_dicom

#endif
