using System.ComponentModel;
using System.Globalization;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// Opens a file that a profiler reads, in a folder where other users may have put something of that name first: a link,
/// a pipe, a file of theirs. Only a regular file of this process's user with one name is written to.
/// </summary>
internal static class ProfileFile
{
    private const int Flags =
        OpenFile.O_CREAT | OpenFile.O_APPEND | OpenFile.O_CLOEXEC | OpenFile.O_NONBLOCK | OpenFile.O_NOCTTY;

    /// <summary>
    /// How much earlier than this process's start a file of it can seem to have been written: a tick of either clock.
    /// </summary>
    private const long Blur = TimeSpan.TicksPerSecond / 10;

    /// <summary>
    /// Opens the file for appending, and creates it if there is none. Truncates what an earlier process of the same
    /// number left in it: its names are those of other code.
    /// </summary>
    /// <param name="path">Where the profiler looks.</param>
    /// <param name="isMapped">Whether it will be mapped, which the kernel allows only of a file that is
    /// readable.</param>
    /// <exception cref="IOException">There is something else of that name, or the system refused.</exception>
    public static int OpenForAppending(string path, bool isMapped = false)
    {
        // O_NONBLOCK: opening a pipe that no process reads would wait without limit, and this one is refused below.
        int descriptor = OpenFile.Open(
            path,
            (isMapped ? OpenFile.O_RDWR : OpenFile.O_WRONLY) | Flags | OpenFile.O_NOFOLLOW
        );
        if (descriptor < 0)
        {
            throw new IOException(
                descriptor switch
                {
                    -Errno.ELOOP => $"{path} could not be opened: it is a link, and its target is not written to. "
                        + "Remove it.",
                    -Errno.ENXIO => $"{path} could not be opened: it is a pipe or a device. Remove it.",
                    _ => $"{path} could not be opened: {Errno.Name(-descriptor)}. Another user may have created it; "
                        + "remove it.",
                }
            );
        }

        try
        {
            FileStatus status = Require(path, descriptor);
            if (status.Size > 0 && status.Modified < StartOfThisProcess() - Blur)
            {
                int answer = Memfd.Resize(descriptor, 0);
                if (answer < 0)
                {
                    throw new IOException(
                        $"{path} holds an earlier process's names and could not be emptied: {Errno.Name(-answer)}. "
                            + "Remove it."
                    );
                }
            }

            return descriptor;
        }
        catch
        {
            OpenFile.Close(descriptor);
            throw;
        }
    }

    /// <summary>Checks that an open file may be written to.</summary>
    /// <param name="path">What it is called in messages.</param>
    /// <param name="descriptor">The file.</param>
    /// <exception cref="IOException">It is not.</exception>
    public static FileStatus Require(string path, int descriptor)
    {
        int answer = FileStatus.Of(descriptor, out FileStatus status);
        string? obstacle =
            answer < 0 ? $"fstat answered {Errno.Name(-answer)}"
            : !status.IsRegular ? "it is a pipe, a device or a socket"
            : status.Owner != Libc.GetEffectiveUser()
                ? $"it belongs to the user {status.Owner}, which could read and change what is written"
            : status.Links != 1 ? $"it has {status.Links} names, so it is another file as well"
            : null;
        return obstacle is null ? status : throw new IOException($"{path} is not written to: {obstacle}. Remove it.");
    }

    /// <summary>
    /// Returns a duplicate of the descriptor through which this process writes the file already, or null. The duplicate
    /// shares its offset, so that what both write stands one behind the other.
    /// </summary>
    /// <exception cref="IOException">It is no file that may be written to.</exception>
    public static int? OpenByThisProcess(string path)
    {
        string[] links;
        try
        {
            links = Directory.GetFiles("/proc/self/fd");
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        foreach (string link in links)
        {
            if (
                TargetOf(link) != path
                || !int.TryParse(Path.GetFileName(link), CultureInfo.InvariantCulture, out int number)
                || Memfd.Duplicate(number, closeOnExec: true) is not (>= 0 and var own)
            )
            {
                continue;
            }

            // A part of the process that only reads the file has a descriptor of it as well.
            if ((Memfd.StatusFlags(own) & OpenFile.O_ACCMODE) is OpenFile.O_WRONLY or OpenFile.O_RDWR)
            {
                try
                {
                    _ = Require(path, own);
                    return own;
                }
                catch
                {
                    OpenFile.Close(own);
                    throw;
                }
            }

            OpenFile.Close(own);
        }

        return null;
    }

    /// <summary>100 ns since 1970.</summary>
    private static long StartOfThisProcess()
    {
        try
        {
            using var self = System.Diagnostics.Process.GetCurrentProcess();
            return self.StartTime.ToUniversalTime().Ticks - DateTime.UnixEpoch.Ticks;
        }
        catch (Exception hidden)
            when (hidden is Win32Exception or InvalidOperationException or UnauthorizedAccessException)
        {
            throw new IOException(
                $"Whether an earlier process wrote the file cannot be told: {hidden.Message} Remove it, or allow "
                    + "/proc/self/stat.",
                hidden
            );
        }
    }

    private static string? TargetOf(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null; // Closed since the folder was listed.
        }
    }
}
