/**
 * @file internal.hpp
 * What the files of the DICOM module share: DCMTK's set-up, getters that tell absent, empty and
 * malformed apart, the record of one scanned file, and the exception barrier of the C interface.
 */
#ifndef REPRISE_DICOM_INTERNAL_HPP
#define REPRISE_DICOM_INTERNAL_HPP

#include "reprise/dicom.h"

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dctk.h"

namespace rp_dicom
{

/* ---- library and errors ------------------------------------------------------------------ */

/** Silences DCMTK, registers its decoders, checks its dictionary. Cheap after the first call. */
rp_status prepare(rp_error *err);

/** Runs body and turns every exception into a status, so that none reaches C. */
template <class Body> rp_status guarded(const char *path, rp_error *err, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    } catch (const std::exception &e) {
        return rp_fail(err, RP_ERR_FORMAT, "%s: cannot be used (%s)", path, e.what());
    } catch (...) {
        return rp_fail(err, RP_ERR_FORMAT, "%s: cannot be used (unknown failure)", path);
    }
}

/* ---- attributes -------------------------------------------------------------------------- */

enum class Presence { missing, empty, malformed, ok };

/** All values of a string attribute joined by backslashes, outer blanks removed; "" if absent. */
std::string text_of(DcmItem &item, const DcmTagKey &tag);
/** Numbers of a DS, IS, US, SS, UL, FL or FD attribute. */
Presence numbers_of(DcmItem &item, const DcmTagKey &tag, std::vector<double> &values);
/** The first number; value is left alone unless the result is Presence::ok. */
Presence number_of(DcmItem &item, const DcmTagKey &tag, double &value);
/** Exactly count finite numbers; value is left alone otherwise. */
Presence numbers_of(DcmItem &item, const DcmTagKey &tag, double *values, size_t count);
/** Numbers separated by backslashes, independent of the locale. False if any is malformed. */
bool parse_numbers(const std::string &text, std::vector<double> &values);
/** Whether a text can be a UID, and with that a name of a file or folder that leads nowhere else:
 * at most 64 digits and dots, no dot at either end and no two on end (PS3.5, 9.1). Leading zeros of
 * a part, which are against the rules, are common and do no harm. */
bool is_uid(const std::string &text);
/** The items of a sequence, empty where there is none. */
std::vector<DcmItem *> items_of(DcmItem &item, const DcmTagKey &tag);

/** Copies text, cut at a character boundary of UTF-8 if it is too long. */
void copy_text(char *to, size_t size, const std::string &text);
template <size_t N> void copy_text(char (&to)[N], const std::string &text)
{
    copy_text(to, N, text);
}

struct Shift;

/** UTF-8 of texts in the character sets that a data set declares. */
class Charset
{
  public:
    /** Of texts for which nothing is declared. */
    Charset() = default;
    explicit Charset(DcmItem &dataset);
    /** Of an item, which may declare its own; else that of the data set round it. */
    Charset(DcmItem &item, const Charset &outer);
    /** Always UTF-8. Bytes beyond ASCII that nothing declared explains are taken as UTF-8 where
     * they are valid so, else as Latin-1; bytes without a meaning in their set become U+FFFD. */
    std::string utf8(const std::string &bytes);
    /** text_of as UTF-8. */
    std::string text(DcmItem &item, const DcmTagKey &tag);
    /** Whether any text so far did not fit what is declared. */
    bool guessed() const
    {
        return guessed_;
    }

  private:
    void declare(const std::string &terms);
    std::string guess(const std::string &bytes);
    std::string piece_of(const std::string &piece, const Shift &shift);
    std::string shifted(const std::string &bytes);

    std::string initial_; /**< iconv's name of the first set; "" for ASCII or none */
    std::string right_;   /**< of the first that has characters from 0x80 on */
    bool guessed_ = false;
};

/** kind: whose names, such as "ROIs". */
void remark_guessed_names(const char *kind, rp_remarks &remarks);

/** A date (DA) as YYYYMMDD, also from the old form YYYY.MM.DD; any other text as it stands. */
std::string date_of(DcmItem &item, const DcmTagKey &tag);

/** Patient, study and series attributes, in UTF-8. */
void read_header(DcmItem &dataset, rp_dicom_header &header);

/** Adds attributes; remembers the first failure instead of returning one at each call. */
class Writer
{
  public:
    explicit Writer(DcmItem &item) : item_(item)
    {
    }
    /** A string attribute: forbidden characters replaced, cut to what the VR allows. */
    void put(const DcmTagKey &tag, const std::string &text);
    /** As put, but verbatim, for what is known to be well-formed (DS lists, CS lists). */
    void put_raw(const DcmTagKey &tag, const std::string &text);
    void put_u16(const DcmTagKey &tag, unsigned value);
    void put_pixels(const std::vector<Uint16> &pixels);
    void put_bytes(const DcmTagKey &tag, const std::vector<Uint8> &bytes);
    void put_tag(const DcmTagKey &tag, const DcmTagKey &value);
    void put_u16s(const DcmTagKey &tag, const std::vector<Uint16> &values);
    void put_u32s(const DcmTagKey &tag, const std::vector<Uint32> &values);
    /** Appends an item to a sequence; nullptr after a failure. */
    DcmItem *item(const DcmTagKey &sequence);
    bool good() const
    {
        return condition_.good();
    }
    /** Makes the failure of an inner item's writer its own. */
    void take_over(const Writer &inner)
    {
        keep(inner.condition_);
    }
    const char *problem() const
    {
        return condition_.text();
    }

  private:
    void keep(const OFCondition &condition)
    {
        if (condition_.good()) condition_ = condition;
    }
    DcmItem &item_;
    OFCondition condition_ = EC_Normal;
};

/** Adds an item and hands it to body, a bool(Writer &); the first failure is kept by the writers.
 */
template <class Body> bool with_item(Writer &w, const DcmTagKey &sequence, Body body)
{
    DcmItem *item = w.item(sequence);
    if (!item) return false;
    Writer inner(*item);
    const bool done = body(inner);
    w.take_over(inner);
    return done && w.good();
}

/** Whether an object ("a segmentation") of the mask can be written that refers to the series. */
rp_status check_mask_to_write(const char *path, const rp_dicom_series &series, const rp_mask &mask,
                              const char *object, rp_error *err);

/** A decimal string of at most 16 characters, as precise as that allows. */
std::string decimal_text(double value);
/** 2.25.<decimal> from a hash of the given text: equal text, equal UID. */
std::string uid_from(const std::string &text);
/** Appends the object as a Part 10 file in a transfer syntax that it can be written in without
 * being encoded anew; throws std::runtime_error where it cannot. */
void encode_object(DcmFileFormat &object, E_TransferSyntax syntax, std::string &bytes);
/** Serialises the object and writes it whole or not at all. */
rp_status save_object(const std::string &path, DcmFileFormat &object, rp_error *err);
/** Patient and study attributes that every composite object needs. */
void put_patient_and_study(Writer &writer, const rp_dicom_header &header);
/** ", synthetic" behind a series description for the label "synthetic"; "" without label. */
inline std::string appended(const char *label)
{
    return label && *label ? std::string(", ") + label : "";
}
/** Modality, equipment and the one series that the object is alone in. */
void put_series(Writer &writer, const char *modality, const std::string &description,
                const std::string &uid);
/** True if any text of the header needs UTF-8 declared. */
bool needs_utf8(const rp_dicom_header &header);

/* ---- parsing -----------------------------------------------------------------------------------
 */

/**
 * Loads the attributes before stop; false if they do not parse. Sequences nested deeper than any
 * real object's are an error: DCMTK descends by recursion, and a made-up file would overflow the
 * stack. Every file of this module is parsed by these two functions.
 */
bool load_until(const std::string &path, const DcmTagKey &stop, DcmFileFormat &format,
                offile_off_t *end = nullptr);
/** SOPClassUID of a file, "" where it is no DICOM object; never fails otherwise. */
std::string sop_class_of(const char *path);
/** Loads all of a file; long values stay in it until they are asked for. */
OFCondition load_whole(const std::string &path, DcmFileFormat &format);

/* ---- scanned files ----------------------------------------------------------------------------
 */

/** Why an image file is no slice of a stack. */
enum class Kind { slice, passed_over, unusable, not_image };

/** How stored values lie in their cells. */
struct Coding {
    int allocated = 0, stored = 0, high = 0;
    bool is_signed = false;
    Sint32 padding_cell = -1; /**< a whole cell that is padding, though its bits stored are those of
                                   another value; -1: none */
};

/** Stored values equal to the padding value, or between it and the range limit. */
struct Padding {
    bool present = false;
    Sint32 low = 0, high = 0;
};

/** Where uncompressed pixels lie in the file, so that they need no second parsing. */
struct PixelPlace {
    bool known = false, swapped = false; /**< swapped: big endian words */
    offile_off_t offset = 0, length = 0;
    Coding coding;
    Padding padding;
};

/** What is known of a slice from the header of its file: a file, or one frame of it. */
struct File {
    std::string path;
    bool is_dicom = false;
    bool broken = false; /**< DICOM, but the header does not parse to its end */
    Kind kind = Kind::not_image;
    std::string why; /**< in words when kind is not slice */
    rp_dicom_header header = {};
    std::string sop_uid;
    int frame = -1; /**< of a multi-frame file, from 0; -1: the file is one slice */
    int frames = 1; /**< that the file holds */
    int rows = 0, columns = 0;
    double position[3] = {}, orientation[6] = {}, spacing[2] = {}; /**< spacing: row, column */
    double slope = 1, intercept = 0;
    bool rescaled = false;             /**< slope or intercept is there */
    std::string rescale_type;          /**< "" if unknown */
    double thickness = 0, between = 0; /**< 0: absent */
    std::string kernel, phase, time;   /**< for lists and messages; "" if unknown */
    std::vector<std::string> marks;    /**< of the acquisition it is of: parts.hpp */
    PixelPlace place;
    bool is_ct() const
    {
        return std::string(header.modality) == "CT";
    }
};

/** True for a Part 10 file and for what starts like a data set without preamble. */
bool looks_like_dicom(const std::string &path);
/** Reads the header only (up to PixelData). Never fails: the records, one for each frame and at
 *  least one, say what the file is. */
std::vector<File> scan_file(const std::string &path);
/** Appends the files of a folder (recursively), the one file, or those that a DICOMDIR names. */
rp_status list_paths(const char *path, std::vector<std::string> &paths, rp_error *err);
/** Scans a folder (recursively), one file, or the files that a DICOMDIR names. */
rp_status scan_path(const char *path, const rp_progress *progress, std::vector<File> &files,
                    rp_error *err);
/** The files that a DICOMDIR names and that are there; false if path is no DICOMDIR. */
bool read_dicomdir(const std::string &path, std::vector<std::string> &paths, size_t &missing);

/** Of a class whose objects have frames with positions of their own, such as Enhanced CT. */
bool is_enhanced(const rp_dicom_header &header);
/** The same, and the frames are described. */
bool has_frames(DcmItem &dataset, const rp_dicom_header &header);
/** One record for each frame, made from that of the file. On what does not add up one record of
 *  Kind::unusable. */
std::vector<File> read_frames(DcmItem &dataset, const File &file);
/** Position, orientation, spacing from these items, each attribute from the first that has it;
 *  "" or what is wrong. */
std::string read_geometry(const std::vector<DcmItem *> &from, File &file);
/** Slope and intercept alike. */
std::string read_rescale(const std::vector<DcmItem *> &from, File &file);
/** Kernel, phase and time of the acquisition. */
void read_acquisition(const std::vector<DcmItem *> &from, File &file);

/** The slices of one SeriesInstanceUID, or of a part of it; they point into the scanned list. */
struct Series {
    std::vector<const File *> slices; /**< of a stack */
    std::vector<const File *> others; /**< passed over or unusable; of all parts */
    std::vector<const File *> lost;   /**< probably slices, but unreadable; of all parts */
    int part = 0, parts = 0;          /**< from 1; 0: the series is one */
    std::string what;                 /**< what the part differs from the others in, in words */
    const File &first() const
    {
        return slices.empty() ? *others.front() : *slices.front();
    }
    const char *uid() const
    {
        return first().header.series_uid;
    }
};
std::vector<Series> group_series(const std::vector<File> &files);

/** A slice and where it lies: x and y in the plane, z along the normal. */
struct Placed {
    const File *file;
    double at[3];
};

/** Slices in order, with the grid they make or are to be resampled to. */
struct Stack {
    std::vector<Placed> slices;
    double frame[3][3] = {}; /**< columns: along a row, along a column, normal */
    rp_grid grid = {};
    rp_grid acquired =
        {};             /**< even, in the planes of the slices; the same unless they are tilted */
    double spacing = 0; /**< between neighbours, mm; 0 while unknown */
    rp_dicom_repair repair = {};
};
/**
 * Sorts along the normal and checks that the slices make a stack of one kind: even, tilted, or
 * with repair uneven too (else RP_ERR_REFUSED). The error names positions but no path.
 */
rp_status order_stack(const Series &series, bool repair, Stack &stack, rp_error *err);
/** Puts values of the slices ([slice][row][column]) on the stack's grid. */
rp_status resample_stack(const Stack &stack, const std::vector<float> &values, float outside,
                         rp_image &image, rp_error *err);
/** From the file's orientation, columns: along a row, along a column, normal; made exactly
 *  orthonormal. */
rp_status frame_of(const File &file, double frame[3][3], rp_error *err);

/* ---- pixels ------------------------------------------------------------------------------------
 */

/** Where the pixels lie, from a header that was parsed up to PixelData, which ended at end. */
PixelPlace find_pixels(const std::string &path, DcmDataset &dataset, offile_off_t end);

/** Whether all its pixels lie there uncompressed, so that nothing but a read error can go wrong. */
bool is_in_place(const File &file);

/** Whether nothing but zeros follows: storage in blocks fills up the last one. */
bool zeros_follow(FILE *file, offile_off_t at);

/** Decodes slices one after another and keeps what the next may need; one for each thread. */
class SliceReader
{
  public:
    /**
     * Decodes one slice into rows * columns HU values. CT values below -1024 HU and padding become
     * -1000 HU, counted in padded. Padding that stands for what tissue may hold is taken for it
     * only in regions that reach the border.
     */
    rp_status read(const File &file, float *values, size_t *padded, rp_error *err);
    /** Of all slices read: voxels that became air though their padding value may be tissue; not
     *  counted in padded. */
    size_t settled() const
    {
        return settled_;
    }

  private:
    bool read_place(const File &file, float *values, size_t *padded);
    void make_table(const File &file);
    rp_status read_values(const File &file, Coding &coding, rp_error *err);
    rp_status open(const std::string &path, rp_error *err);

    std::string path_;
    std::unique_ptr<DcmFileFormat> format_; /**< of path_ */
    std::vector<Uint8> raw_;
    std::vector<Sint32> values_;
    std::vector<float> table_;         /**< HU of every cell of 16 bits */
    std::vector<unsigned char> pads_;  /**< of every cell whether it is padding (enum Pad) */
    std::vector<unsigned char> found_; /**< of the slice's pixels */
    PixelPlace place_;                 /**< that the table is for */
    double slope_ = 0, intercept_ = 0;
    size_t settled_ = 0;
    bool is_ct_ = false;
};

/** Gives a series with header and image its SOPInstanceUIDs and hash. */
rp_status finish_series(const char *path, const std::vector<std::string> &sop_uids,
                        rp_dicom_series &series, rp_error *err);

} // namespace rp_dicom

#endif
