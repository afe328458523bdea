using System.Text;
using Crosscore.Code;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Sealing;

/// <summary>
/// Memory files that are not sealed yet, and what it means when a call on one is refused: sealed code and live code
/// both begin with one.
/// </summary>
internal static class MemoryFile
{
    /// <summary>
    /// Creates a memory file that may be sealed, closed by execve. MFD_NOEXEC_SEAL forbids only execve of the file,
    /// which is of no use here, and every setting of vm.memfd_noexec accepts it. Kernels before 6.3 answer EINVAL to it
    /// and have no such setting.
    /// </summary>
    /// <param name="kind">The beginning of its name.</param>
    /// <param name="name">What follows the kind and a colon, or <see langword="null"/>.</param>
    /// <exception cref="CodeException">The system refused.</exception>
    public static SafeFileHandle Create(string kind, string? name)
    {
        byte[] nullTerminatedName = Encoding.UTF8.GetBytes(name is null ? $"{kind}\0" : $"{kind}:{name}\0");
        int descriptor = Memfd.Create(nullTerminatedName, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (descriptor == -Errno.EINVAL)
        {
            descriptor = Memfd.Create(nullTerminatedName, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        }

        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw CodeRefusal.MemoryFile("memfd_create", -descriptor);
    }

    /// <summary>Returns a second descriptor of a file.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">Too many files are open, or there is no such descriptor.</exception>
    public static SafeFileHandle Duplicate(SafeFileHandle file, bool closeOnExec)
    {
        using var own = new HeldDescriptor(file);
        int descriptor = Memfd.Duplicate(own.Number, closeOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true)
            : descriptor == -Errno.EBADF ? throw None(Errno.EBADF)
            : throw CodeRefusal.MemoryFile("fcntl(F_DUPFD)", -descriptor);
    }

    /// <summary>
    /// Opens the same file for reading only. Returns the descriptor or a negative error number: where it cannot be
    /// opened, and where /proc is that of another process.
    /// </summary>
    public static int ReopenForReading(int own)
    {
        int readOnly = OpenFile.ReopenForReading(own);
        if (readOnly < 0)
        {
            return readOnly;
        }

        FileStatus second = default;
        int answer = FileStatus.Of(own, out FileStatus first);
        answer = answer < 0 ? answer : FileStatus.Of(readOnly, out second);
        if (answer < 0 || !second.IsSameFileAs(first))
        {
            OpenFile.Close(readOnly);
            return answer < 0 ? answer : -Errno.ENOENT;
        }

        return readOnly;
    }

    /// <summary>Requires that a descriptor leads to a memory file, whose seals can be read.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">It does not.</exception>
    public static void Require(SafeFileHandle file)
    {
        using var own = new HeldDescriptor(file);
        int seals = GetSeals(own.Number);
        if (seals < 0)
        {
            throw None(-seals);
        }
    }

    /// <summary>
    /// Says why a call on an unsealed file of ours was refused. Seals make the kernel answer EPERM; seals that this
    /// process did not add are those of another process.
    /// </summary>
    public static CodeException Refused(int descriptor, int ours, string call, int errno)
    {
        // MFD_NOEXEC_SEAL adds F_SEAL_EXEC, which is not among these.
        const int Content = SealedFile.FinalSeals | F_SEAL_FUTURE_WRITE;
        int seals = errno == Errno.EPERM ? GetSeals(descriptor) : 0;
        int foreign = seals & Content & ~ours;
        return seals > 0 && foreign != 0
            ? ChangedByAnother(
                $"{call} answered EPERM, because it has the seals 0x{foreign:X}, which this process did not add",
                errno
            )
            : CodeRefusal.MemoryFile(call, errno);
    }

    /// <summary>Says that another process interfered with a file of ours.</summary>
    public static CodeException ChangedByAnother(string what, int errno) =>
        new(
            CodeFailure.NotSealed,
            $"Another process interfered with a memory file: {what}. A process of the same user can open it through "
                + "/proc/PID/fd. Find that process; it cannot reach a process that is not dumpable (PR_SET_DUMPABLE) "
                + "or that runs as another user.",
            errno
        );

    /// <summary>
    /// Says why a memory file of ours could not be opened again for reading if another process caused it, by a lease or
    /// by the file's mode; otherwise returns <see langword="null"/>.
    /// </summary>
    public static CodeException? KeptFromReading(int own, int errno)
    {
        string? how = errno switch
        {
            Errno.EAGAIN => "it holds a lease on the file (fcntl(2), F_SETLEASE)",
            Errno.EACCES when FileStatus.Of(own, out FileStatus status) == 0 && !status.OwnerReads =>
                $"it changed the file's mode to 0{Convert.ToString(status.Mode & 0xFFF, 8)}",
            _ => null,
        };
        return how is null ? null : ChangedByAnother(how, errno);
    }

    /// <summary>Says that a descriptor leads to no memory file.</summary>
    public static CodeException None(int errno) =>
        new(
            CodeFailure.NotSealed,
            $"fcntl answered {Errno.Name(errno)}: the descriptor leads to no memory file, so its content could still "
                + "change.",
            errno
        );
}
