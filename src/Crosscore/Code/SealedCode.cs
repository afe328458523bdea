using System.Runtime.InteropServices;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Code;

/// <summary>
/// Machine code that nothing can change any more: the bytes lie in a memory file that the kernel has sealed against writing and resizing, and against further
/// seals. <see cref="Install"/> maps it for execution. At no time is any of it writable and executable at once.
/// </summary>
/// <remarks>
/// Source: memfd_create(2); fcntl(2), "File Sealing". A sealed file refuses write, ftruncate and a writable shared mapping with EPERM, whoever holds the
/// descriptor, and writing through a mapping of it cannot be forced even by way of /proc/self/mem.
/// </remarks>
public sealed class SealedCode : IDisposable
{
    internal const int FinalSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    private readonly int _fileLength;

    private SealedCode(SafeFileHandle file, int length, int fileLength)
    {
        File = file;
        Length = length;
        _fileLength = fileLength;
    }

    /// <summary>The number of bytes that were given, without the filling up to the end of the page.</summary>
    public int Length { get; }

    internal SafeFileHandle File { get; }

    /// <summary>
    /// Copies the bytes into a memory file, fills its last page with instructions that trap, and seals it.
    /// </summary>
    /// <param name="code">Position-independent machine code for this processor; at least one byte. Later changes to the span's memory have no effect.</param>
    /// <exception cref="ArgumentException"><paramref name="code"/> is empty.</exception>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64 or arm64.</exception>
    /// <exception cref="IOException">The kernel or a sandbox refused the memory file or its seals; the message says which and why.</exception>
    public static SealedCode Seal(ReadOnlySpan<byte> code)
    {
        if (code.IsEmpty)
        {
            throw new ArgumentException("There is no code to seal.", nameof(code));
        }

        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64))
        {
            throw new PlatformNotSupportedException("Sealed code needs Linux on x86-64 or arm64.");
        }

        int page = Environment.SystemPageSize;
        byte[] content = new byte[checked((code.Length + page - 1) / page * page)];
        code.CopyTo(content);
        content.AsSpan(code.Length).Fill(Trap);

        var file = new SafeFileHandle(CreateFile(), ownsHandle: true);
        try
        {
            RandomAccess.Write(file, content, 0);
            Close(file);
            return new SealedCode(file, code.Length, content.Length);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Maps the code readable and executable, at an address where nothing was mapped. Each call makes a mapping of its own.
    /// </summary>
    /// <remarks>
    /// No core can hold old instructions of an address where nothing is mapped (munmap returns only when every core has dropped what was there), so no barrier is
    /// needed before the first call: publish the address as any other data, with a release store. Afterwards this object may be disposed of; the mapping keeps the bytes.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="IOException">The mapping was refused; the message says why.</exception>
    public InstalledCode Install()
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        bool held = false;
        try
        {
            File.DangerousAddRef(ref held);
            nint address = Mapping.Map((nuint)_fileLength, Mapping.PROT_READ | Mapping.PROT_EXEC, Mapping.MAP_SHARED, (int)File.DangerousGetHandle());
            return address is < 0 and > -4096
                ? throw Refusal("mmap with PROT_EXEC", (int)-address)
                : new InstalledCode(address, Length, _fileLength);
        }
        finally
        {
            if (held)
            {
                File.DangerousRelease();
            }
        }
    }

    /// <summary>Closes the memory file. Installed code stays installed.</summary>
    public void Dispose() => File.Dispose();

    // Both run into an exception when executed: INT3 on x86-64 (one byte, so from any offset), UDF #0, four null bytes, on arm64.
    private static byte Trap => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (byte)0xCC : (byte)0x00;

    /// <summary>
    /// MFD_NOEXEC_SEAL forbids only execve of the file, which nobody needs, and is what every setting of vm.memfd_noexec accepts (1 and 2 included). Kernels
    /// before 6.3 do not know it and answer EINVAL, and have no such setting.
    /// </summary>
    private static int CreateFile()
    {
        int descriptor = Create("crosscore-code"u8, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (descriptor == -Errno.EINVAL)
        {
            descriptor = Create("crosscore-code"u8, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        }

        return descriptor >= 0 ? descriptor : throw Refusal("memfd_create", -descriptor);
    }

    /// <summary>Seals, and reads the seals back: mapping alone would not notice if they were missing.</summary>
    private static void Close(SafeFileHandle file)
    {
        int descriptor = (int)file.DangerousGetHandle(); // The caller holds the only reference and disposes of it after this call.
        int answer = AddSeals(descriptor, FinalSeals);
        if (answer < 0)
        {
            throw Refusal("fcntl(F_ADD_SEALS)", -answer);
        }

        int seals = GetSeals(descriptor);
        if (seals < 0)
        {
            throw Refusal("fcntl(F_GET_SEALS)", -seals);
        }

        if ((seals & FinalSeals) != FinalSeals)
        {
            throw new IOException($"The kernel accepted the seals but reports only 0x{seals:X}: the code could still be changed, so it is not installed.");
        }
    }

    private static IOException Refusal(string call, int errno) => new(
        $"{call} answered {Errno.Name(errno)}: " + errno switch
        {
            Errno.ENOSYS or Errno.EPERM or Errno.EACCES =>
                "a sandbox or security policy (seccomp, SELinux, MemoryDenyWriteExecute) forbids it. Allow memfd_create, F_ADD_SEALS and executable file mappings.",
            Errno.EMFILE or Errno.ENFILE => "too many open files. Raise the limit, or dispose of sealed code once it is installed.",
            Errno.ENOMEM => "out of memory, or more mappings than vm.max_map_count allows. Install fewer, larger pieces.",
            _ => "the kernel does not do what its manual says. Please report it as a Crosscore bug, with the kernel's release.",
        },
        errno);
}
