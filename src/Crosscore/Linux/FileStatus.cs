using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// What fstat(2) and fstatfs(2) tell of an open file. The calls are made by number, because C libraries before glibc
/// 2.33 export no function of that name. Source: arch/x86/include/uapi/asm/stat.h; include/uapi/asm-generic/stat.h and
/// statfs.h.
/// </summary>
/// <param name="Device">The file system.</param>
/// <param name="Number">The file in it (st_ino).</param>
/// <param name="Mode">Type and permissions.</param>
/// <param name="Links">Names in folders.</param>
/// <param name="Owner">The user.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Modified">When its content was changed last: 100 ns since 1970, as the file system rounds it.</param>
internal readonly record struct FileStatus(
    ulong Device,
    ulong Number,
    uint Mode,
    ulong Links,
    uint Owner,
    long Size,
    long Modified
)
{
    public const long TMPFS_MAGIC = 0x01021994;

    private const uint S_IFMT = 0xF000;
    private const uint S_IFREG = 0x8000;
    private const uint S_IRUSR = 0x100;

    public bool IsRegular => (Mode & S_IFMT) == S_IFREG;

    /// <summary>Whether its mode lets its owner read it.</summary>
    public bool OwnerReads => (Mode & S_IRUSR) != 0;

    /// <summary>Whether both are the same file.</summary>
    public bool IsSameFileAs(in FileStatus other) => (Device, Number) == (other.Device, other.Number);

    /// <summary>Returns 0 or the negative error number.</summary>
    public static unsafe int Of(int descriptor, out FileStatus status)
    {
        bool isX64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        byte* raw = stackalloc byte[256]; // struct stat: 144 bytes on x86-64, 128 on arm64

        // SAFETY: the kernel writes at most the 144 bytes of its structure, to this frame.
        int answer = (int)Libc.OrNegativeErrno(Libc.Syscall(isX64 ? 5 : 80, descriptor, (nint)raw, 0));
        if (answer < 0)
        {
            status = default;
            return answer;
        }

        // SAFETY: offsets below 144 into 256 bytes; the fields are aligned.
        ulong links = isX64 ? *(ulong*)(raw + 16) : *(uint*)(raw + 20);
        uint mode = *(uint*)(raw + (isX64 ? 24 : 16));
        uint owner = *(uint*)(raw + (isX64 ? 28 : 24));
        long modified = (*(long*)(raw + 88) * TimeSpan.TicksPerSecond) + (*(long*)(raw + 96) / 100);
        status = new(*(ulong*)raw, *(ulong*)(raw + 8), mode, links, owner, *(long*)(raw + 48), modified);
        return 0;
    }

    /// <summary>The kind of file system that a file lies in, or the negative error number.</summary>
    public static unsafe long FileSystemOf(int descriptor)
    {
        nint number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 138 : 44;
        byte* raw = stackalloc byte[256]; // struct statfs: 120 bytes

        // SAFETY: as above.
        nint answer = Libc.OrNegativeErrno(Libc.Syscall(number, descriptor, (nint)raw, 0));
        return answer < 0 ? answer : *(long*)raw;
    }
}
