/* A comparator beside the program's own registration: elastix, a program of its own. */
#define _GNU_SOURCE
#include "evaluate.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Starts a program whose output goes to a descriptor, or nowhere where that is negative. */
static bool start_program(char *const arguments[], int output, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions)) return false;
    if (output < 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    else
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    /* What this program ignores is its own affair. */
    sigset_t defaults;
    posix_spawnattr_t attributes;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int failed = posix_spawnp(child, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return !failed;
}

/* Its exit code, -1 where it was killed. Asked again and again, for a signal to this program has to
 * reach the other, and would not end a wait. */
static int wait_for_program(pid_t child)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int ended = -1;
    pid_t got;
    while ((got = waitpid(child, &ended, WNOHANG)) == 0) {
        if (cmd_interrupted()) kill(child, SIGTERM);
        nanosleep(&pause, NULL);
    }
    return got == child && WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
}

/* Runs a program without output; its exit code, -1 where it could not be run or was killed. */
static int run_program(char *const arguments[])
{
    pid_t child;
    return start_program(arguments, -1, &child) ? wait_for_program(child) : -1;
}

/* The first line that a program prints. */
static bool first_line(char *const arguments[], char *line, size_t size)
{
    int ends[2];
    pid_t child;
    size_t used = 0;
    char rest[256];
    if (pipe2(ends, O_CLOEXEC)) return false;
    const bool started = start_program(arguments, ends[1], &child);
    close(ends[1]);
    for (ssize_t got = started; got > 0;) {
        char *to = used + 1 < size ? line + used : rest;
        got = read(ends[0], to, used + 1 < size ? size - 1 - used : sizeof rest);
        if (got > 0 && used + 1 < size) used += (size_t)got;
    }
    close(ends[0]);
    line[used] = 0;
    line[strcspn(line, "\r\n")] = 0;
    return started && wait_for_program(child) == 0 && line[0];
}

bool evaluate_has_elastix(char version[64])
{
    char *const elastix[] = {"elastix", "--version", NULL};
    char *const transformix[] = {"transformix", "--version", NULL};
    return first_line(elastix, version, 64) && run_program(transformix) == 0;
}

/* ---- parameters ---------------------------------------------------------------------------------
 * Mutual information on random samples, a pyramid of three levels, adaptive stochastic gradient
 * descent: elastix's usual choice for CT of one patient (Klein et al. 2010). */

static const char common_parameters[] =
    "(FixedInternalImagePixelType \"float\")\n(MovingInternalImagePixelType \"float\")\n"
    "(FixedImageDimension 3)\n(MovingImageDimension 3)\n(UseDirectionCosines \"true\")\n"
    "(Registration \"MultiResolutionRegistration\")\n(Interpolator \"BSplineInterpolator\")\n"
    "(ResampleInterpolator \"FinalBSplineInterpolator\")\n(Resampler \"DefaultResampler\")\n"
    "(FixedImagePyramid \"FixedRecursiveImagePyramid\")\n"
    "(MovingImagePyramid \"MovingRecursiveImagePyramid\")\n"
    "(Optimizer \"AdaptiveStochasticGradientDescent\")\n"
    "(Metric \"AdvancedMattesMutualInformation\")\n(NumberOfHistogramBins 32)\n"
    "(NumberOfResolutions 3)\n(NumberOfSpatialSamples 4096)\n(NewSamplesEveryIteration \"true\")\n"
    "(ImageSampler \"RandomCoordinate\")\n(BSplineInterpolationOrder 1)\n"
    "(FinalBSplineInterpolationOrder 1)\n(DefaultPixelValue -1000)\n(ErodeMask \"false\")\n"
    "(WriteResultImage \"false\")\n(ResultImageFormat \"nii\")\n(ResultImagePixelType "
    "\"float\")\n(RandomSeed 1)\n(HowToCombineTransforms \"Compose\")\n";
static const char rigid_parameters[] =
    "(Transform \"EulerTransform\")\n(AutomaticScalesEstimation \"true\")\n"
    "(AutomaticTransformInitialization \"true\")\n(MaximumNumberOfIterations 300)\n";
static const char bspline_parameters[] =
    "(Transform \"BSplineTransform\")\n(FinalGridSpacingInPhysicalUnits 20)\n"
    "(MaximumNumberOfIterations 500)\n";

static rp_status write_parameters(const char *path, const char *own, rp_error *err)
{
    RP_AUTOFREE char *text = rp_format("%s%s", common_parameters, own);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    return rp_file_write(path, text, strlen(text), err);
}

/* A mask is moved by its indicator: linear interpolation, and nothing outside. */
static rp_status write_final_transform(const char *from, const char *to, rp_error *err)
{
    RP_AUTOFREE uint8_t *bytes = NULL;
    size_t size;
    rp_status status = rp_file_read(from, &bytes, &size, err);
    if (status) return status;
    RP_AUTOFREE char *text = rp_alloc(size + 1, 1);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    memcpy(text, bytes, size);
    static const char key[] = "(DefaultPixelValue -1000";
    char *value = strstr(text, key);
    if (!value)
        return rp_fail(err, RP_ERR_FORMAT, "%s: not what elastix was expected to write", from);
    memcpy(value, "(DefaultPixelValue 00000", sizeof key - 1);
    return rp_file_write(to, text, size, err);
}

/* ---- one registration ---------------------------------------------------------------------------
 */

typedef struct files {
    char *fixed, *moving, *mask, *rigid, *bspline, *transform, *final, *moved;
} files;

static rp_status name_files(const char *folder, files *f, rp_error *err)
{
    *f = (files){
        rp_path_join(folder, "followup.nii"), rp_path_join(folder, "baseline.nii"),
        rp_path_join(folder, "contour.nii"),  rp_path_join(folder, "rigid.txt"),
        rp_path_join(folder, "bspline.txt"),  rp_path_join(folder, "TransformParameters.1.txt"),
        rp_path_join(folder, "final.txt"),    rp_path_join(folder, "result.nii")};
    return f->fixed && f->moving && f->mask && f->rigid && f->bspline && f->transform && f->final &&
                   f->moved
               ? RP_OK
               : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

static void release_files(files *f)
{
    char **all[] = {&f->fixed,   &f->moving,    &f->mask,  &f->rigid,
                    &f->bspline, &f->transform, &f->final, &f->moved};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rp_free(*all[i]);
}

static rp_status write_inputs(const files *f, const rp_image *baseline, const rp_mask *contour,
                              const rp_image *followup, rp_error *err)
{
    rp_image indicator = {0};
    rp_status status = rp_nifti_write_image(f->fixed, followup, NULL, err);
    if (!status) status = rp_nifti_write_image(f->moving, baseline, NULL, err);
    if (!status) status = write_parameters(f->rigid, rigid_parameters, err);
    if (!status) status = write_parameters(f->bspline, bspline_parameters, err);
    if (!status) status = rp_image_init(&indicator, &contour->grid, err);
    const size_t voxels = status ? 0 : rp_grid_voxels(&contour->grid);
    for (size_t i = 0; i < voxels; i++) indicator.data[i] = contour->data[i];
    if (!status) status = rp_nifti_write_image(f->mask, &indicator, NULL, err);
    rp_image_release(&indicator);
    return status;
}

static rp_status run_elastix(const files *f, const char *folder, int threads, rp_error *err)
{
    char count[16];
    snprintf(count, sizeof count, "%d", threads);
    char *const registration[] = {"elastix",  "-f",           f->fixed, "-m",     f->moving,
                                  "-out",     (char *)folder, "-p",     f->rigid, "-p",
                                  f->bspline, "-threads",     count,    NULL};
    if (run_program(registration) != 0)
        return rp_fail(err, cmd_interrupted() ? RP_ERR_CANCELLED : RP_ERR_IO,
                       "elastix failed; %s/elastix.log may tell why", folder);
    rp_status status = write_final_transform(f->transform, f->final, err);
    if (status) return status;
    char *const propagation[] = {"transformix", "-in",    f->mask,    "-out", (char *)folder,
                                 "-tp",         f->final, "-threads", count,  NULL};
    if (run_program(propagation) != 0)
        return rp_fail(err, cmd_interrupted() ? RP_ERR_CANCELLED : RP_ERR_IO,
                       "transformix failed; %s/transformix.log may tell why", folder);
    return RP_OK;
}

static rp_status take_result(const char *path, const rp_grid *grid, rp_mask *out, rp_error *err)
{
    rp_image moved = {0};
    rp_status status = rp_nifti_read_image(path, &moved, NULL, err);
    if (!status && !rp_grid_same(&moved.grid, grid, 0.01))
        status = rp_fail(err, RP_ERR_FORMAT, "%s: not on the follow-up's grid", path);
    if (!status) status = rp_mask_init(out, grid, err);
    const size_t voxels = status ? 0 : rp_grid_voxels(grid);
    for (size_t i = 0; i < voxels; i++) out->data[i] = moved.data[i] >= 0.5f;
    rp_image_release(&moved);
    return status;
}

static rp_status propagate(const rp_image *baseline, const rp_mask *contour,
                           const rp_image *followup, const char *folder, int threads, rp_mask *out,
                           rp_error *err)
{
    files f = {0};
    rp_status status = rp_directory_create(folder, err);
    if (!status) status = name_files(folder, &f, err);
    if (!status) status = write_inputs(&f, baseline, contour, followup, err);
    if (!status) status = run_elastix(&f, folder, threads, err);
    if (!status) status = take_result(f.moved, &followup->grid, out, err);
    release_files(&f);
    if (!status) rp_tree_remove(folder);
    return status;
}

/* In canonical order: what elastix finds depends a little on the order of axes that it is given. */
rp_status evaluate_by_elastix(const rp_image *baseline, const rp_mask *contour,
                              const rp_image *followup, const char *folder, int threads,
                              rp_mask *out, rp_error *err)
{
    rp_image made_baseline, made_followup = {0};
    rp_mask made_contour = {0};
    const rp_image *moving, *fixed;
    const rp_mask *mask;
    rp_status status = rp_image_canonical(baseline, &made_baseline, &moving, err);
    if (!status) status = rp_image_canonical(followup, &made_followup, &fixed, err);
    if (!status) status = rp_mask_canonical(contour, &made_contour, &mask, err);
    if (!status) status = propagate(moving, mask, fixed, folder, threads, out, err);
    if (!status) {
        status = rp_mask_restore(out, &followup->grid, err);
        if (status) rp_mask_release(out);
    }
    rp_image_release(&made_baseline);
    rp_image_release(&made_followup);
    rp_mask_release(&made_contour);
    return status;
}
