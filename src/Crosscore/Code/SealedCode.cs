using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Code;

/// <summary>
/// Machine code that nothing can change any more: the bytes lie in a memory file that the kernel has sealed against writing and resizing, and against further
/// seals. <see cref="Install"/> maps it for execution. At no time is any of it writable and executable at once.
/// </summary>
/// <remarks>
/// <para>Source: memfd_create(2); fcntl(2), "File Sealing". A sealed file refuses write, ftruncate and a writable shared mapping with EPERM, whoever holds the
/// descriptor, and writing through a mapping of it cannot be forced even by way of /proc/self/mem.</para>
/// <para>The file may be handed to another process, which then runs exactly these bytes without making any executable memory of its own: <see cref="Export"/> and
/// <see cref="Import"/>, or <see cref="SendTo"/> and <see cref="ReceiveFrom"/>.</para>
/// </remarks>
public sealed class SealedCode : IDisposable
{
    internal const int FinalSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    private readonly CodeFunction[] _functions;

    private SealedCode(SafeFileHandle file, int length, CodeFunction[] functions, string? name)
    {
        File = file;
        Length = length;
        Name = name;
        _functions = functions;
    }

    /// <summary>The segment's name, or <see langword="null"/>.</summary>
    public string? Name { get; }

    /// <summary>The number of bytes that were given, without the filling up to the end of the page.</summary>
    public int Length { get; }

    /// <summary>The functions and entry points, in the order in which they were added.</summary>
    public IReadOnlyList<CodeFunction> Functions => _functions;

    internal SafeFileHandle File { get; }

    /// <summary>Seals a single function without a name. <see cref="CodeWriter"/> puts many into one segment.</summary>
    /// <param name="code">Position-independent machine code for this processor; at least one byte. Later changes to the span's memory have no effect.</param>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for none.</param>
    /// <exception cref="ArgumentException"><paramref name="code"/> is empty.</exception>
    /// <exception cref="CodeException">Not Linux on x86-64 or arm64; or the kernel, a sandbox or the verifier refused.</exception>
    public static SealedCode Seal(ReadOnlySpan<byte> code, ICodeVerifier? verifier = null)
    {
        var writer = new CodeWriter();
        _ = writer.Append(code);
        return writer.Seal(verifier);
    }

    /// <summary>
    /// Takes over sealed code from a descriptor, as another process hands it over, after having checked that nobody can change it any more (all four seals), that it is
    /// such a file and for this machine, that every entry point lies in the code, and, if asked, the digest and a verifier of this process.
    /// </summary>
    /// <param name="file">The descriptor; it stays the caller's, this object has its own.</param>
    /// <param name="sha256">The digest that <see cref="Digest"/> gave the sender, by a way that is trusted more than this one; empty for none.</param>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for none.</param>
    /// <exception cref="ArgumentException"><paramref name="sha256"/> is neither empty nor 32 bytes.</exception>
    /// <exception cref="CodeException">The file is not as above, or the verifier refused.</exception>
    public static SealedCode Import(SafeFileHandle file, ReadOnlySpan<byte> sha256 = default, ICodeVerifier? verifier = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (!sha256.IsEmpty && sha256.Length != SHA256.HashSizeInBytes)
        {
            throw new ArgumentException($"A SHA-256 digest has {SHA256.HashSizeInBytes} bytes.", nameof(sha256));
        }

        DemandPlatform();
        SafeFileHandle own = Duplicate(file, closeOnExec: true);
        try
        {
            DemandSeals(own); // First of all: from here on neither the size nor a byte can change between a check and its use.
            (byte[] content, int size) = ReadAll(own);
            try
            {
                ReadOnlySpan<byte> bytes = content.AsSpan(0, size);
                if (!sha256.IsEmpty && !CryptographicOperations.FixedTimeEquals(SHA256.HashData(bytes), sha256))
                {
                    throw new CodeException(CodeFailure.WrongDigest, "The file's SHA-256 digest is not the one expected: it is other code than the sender spoke of.");
                }

                (int length, string? name, CodeFunction[] functions) = CodeFile.Parse(bytes);
                Verify(bytes[..CodeFile.WholePages(length)], functions, verifier);
                return new SealedCode(own, length, functions, name);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(content);
            }
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>Receives sealed code that another process sent with <see cref="SendTo"/>, and checks it as <see cref="Import"/> does.</summary>
    /// <param name="socket">A connected Unix-domain socket. Waits until something arrives.</param>
    /// <param name="sha256">As for <see cref="Import"/>.</param>
    /// <param name="verifier">As for <see cref="Import"/>.</param>
    /// <exception cref="IOException">The sender is gone, or what came carried no descriptor.</exception>
    /// <exception cref="CodeException">The file is not sealed code, or was refused.</exception>
    public static SealedCode ReceiveFrom(System.Net.Sockets.Socket socket, ReadOnlySpan<byte> sha256 = default, ICodeVerifier? verifier = null)
    {
        ArgumentNullException.ThrowIfNull(socket);
        using SafeFileHandle file = CodeTransfer.Receive(socket);
        return Import(file, sha256, verifier);
    }

    /// <summary>
    /// Maps the code readable and executable, at addresses where nothing was mapped, within reach of a 32-bit displacement from the runtime and the C library where there is room. Each
    /// call makes a mapping of its own. Interrupts no other thread.
    /// </summary>
    /// <remarks>
    /// No core can hold old instructions of these addresses: either nothing was ever mapped there, or every core has been serialised since. So no barrier is needed before the first call:
    /// publish an address as any other data, with a release store. On arm64 the caches are cleaned and the siblings' cores synchronised inside, once a call. Afterwards this object may be disposed of; the
    /// mapping keeps the bytes.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">Refused; the message says why. Nothing is mapped.</exception>
    public InstalledCode Install()
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        int mapped = CodeFile.WholePages(Length);

        // What fills the last page traps. Where nothing fills it, the addresses after it stay without access.
        int gap = mapped == Length ? CodeFile.Page : 0;
        CodeRange range = CodeRange.OfThisProcess;
        nint address = range.MapCode(File, mapped, gap);
        try
        {
            InstructionCaches.MakeFetchable(address, mapped);
            return new InstalledCode(range, new CodeSegment(address, Length, Name, _functions), mapped, gap);
        }
        catch
        {
            range.Free(address, mapped, gap);
            throw;
        }
    }

    /// <summary>A descriptor of the sealed file for another process. Whoever holds it can read and map the code, and nothing else.</summary>
    /// <param name="inheritable">Whether a program that this process starts inherits it under the same number; otherwise execve closes it.</param>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">Too many open files.</exception>
    public SafeFileHandle Export(bool inheritable = false)
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        return Duplicate(File, closeOnExec: !inheritable);
    }

    /// <summary>Sends the sealed file to the process at the other end, which takes it with <see cref="ReceiveFrom"/>, or with recvmsg(2) and SCM_RIGHTS: one byte and one descriptor.</summary>
    /// <param name="socket">A connected Unix-domain socket.</param>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="IOException">The socket refused it.</exception>
    public void SendTo(System.Net.Sockets.Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        CodeTransfer.Send(socket, File);
    }

    /// <summary>The SHA-256 digest of the whole file, the table of entry points included.</summary>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    public byte[] Digest()
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        (byte[] content, int size) = ReadAll(File);
        byte[] digest = SHA256.HashData(content.AsSpan(0, size));
        ArrayPool<byte>.Shared.Return(content);
        return digest;
    }

    /// <summary>Closes the memory file. Installed code stays installed.</summary>
    public void Dispose() => File.Dispose();

    /// <summary>Seals a file's content that <see cref="CodeFile.Complete"/> has made.</summary>
    internal static SealedCode Create(ReadOnlySpan<byte> content, int length, CodeFunction[] functions, string? name, ICodeVerifier? verifier)
    {
        SafeFileHandle file = CreateSealedFile(name, content);
        try
        {
            if (verifier is not null)
            {
                // Read back, not shown from the writer's memory: that can still change, this cannot. Not through a mapping either, because taking one away interrupts other cores.
                (byte[] copy, _) = ReadAll(file);
                Verify(copy.AsSpan(0, CodeFile.WholePages(length)), functions, verifier);
                ArrayPool<byte>.Shared.Return(copy);
            }

            return new SealedCode(file, length, functions, name);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A memory file with that content, which nobody can change any more.</summary>
    internal static SafeFileHandle CreateSealedFile(string? name, ReadOnlySpan<byte> content)
    {
        DemandPlatform();
        var file = new SafeFileHandle(CreateFile(name), ownsHandle: true);
        try
        {
            Write(file, content);
            AddSeals(file);
            DemandSeals(file);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void Verify(ReadOnlySpan<byte> bytes, CodeFunction[] functions, ICodeVerifier? verifier)
    {
        CodeVerdict verdict = verifier?.Verify(new CodeToVerify(bytes, functions, RuntimeInformation.ProcessArchitecture)) ?? CodeVerdict.Accepted;
        if (!verdict.IsAccepted)
        {
            throw new CodeException(CodeFailure.VerifierRefused, $"The verifier refused the code: {verdict.Reason}");
        }
    }

    private static void DemandPlatform()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64))
        {
            throw new CodeException(CodeFailure.WrongPlatform, "Sealed code needs Linux on x86-64 or arm64.");
        }
    }

    /// <summary>
    /// MFD_NOEXEC_SEAL forbids only execve of the file, which nobody needs, and is what every setting of vm.memfd_noexec accepts (1 and 2 included). Kernels
    /// before 6.3 do not know it and answer EINVAL, and have no such setting.
    /// </summary>
    private static int CreateFile(string? name)
    {
        ReadOnlySpan<byte> terminated = name is null ? "crosscore-code"u8 : Encoding.UTF8.GetBytes($"crosscore-code:{name}\0");
        int descriptor = Memfd.Create(terminated, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (descriptor == -Errno.EINVAL)
        {
            descriptor = Memfd.Create(terminated, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        }

        return descriptor >= 0 ? descriptor : throw CodeRefusal.MemoryFile("memfd_create", -descriptor);
    }

    private static void Write(SafeFileHandle file, ReadOnlySpan<byte> content)
    {
        try
        {
            RandomAccess.Write(file, content, 0);
        }
        catch (IOException refusal)
        {
            throw new CodeException(CodeFailure.OutOfMemory, $"The memory file could not be filled: {refusal.Message} There is no memory, or a control group limits it.", Errno.ENOSPC, refusal);
        }
    }

    private static void AddSeals(SafeFileHandle file)
    {
        int answer = Memfd.AddSeals((int)file.DangerousGetHandle(), FinalSeals); // The caller holds the only reference and disposes of it after this call.
        if (answer < 0)
        {
            throw CodeRefusal.MemoryFile("fcntl(F_ADD_SEALS)", -answer);
        }
    }

    /// <summary>The kernel maps an unsealed file as well as a sealed one, so whoever executes has to look, a sender that is trusted or not.</summary>
    private static void DemandSeals(SafeFileHandle file)
    {
        int seals = GetSeals((int)file.DangerousGetHandle()); // As above.
        if (seals < 0 || (seals & FinalSeals) != FinalSeals)
        {
            throw new CodeException(
                CodeFailure.NotSealed,
                seals < 0 ? $"fcntl(F_GET_SEALS) answered {Errno.Name(-seals)}: this is no memory file, so somebody could still change it."
                    : $"The file has the seals 0x{seals:X}, and 0x{FinalSeals:X} are needed: somebody could still change it.",
                seals < 0 ? -seals : 0);
        }
    }

    private static SafeFileHandle Duplicate(SafeFileHandle file, bool closeOnExec)
    {
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            int descriptor = Memfd.Duplicate((int)file.DangerousGetHandle(), closeOnExec);
            return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw CodeRefusal.MemoryFile("fcntl(F_DUPFD)", -descriptor);
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    /// <summary>All of the file, in a rented array.</summary>
    private static (byte[] Content, int Size) ReadAll(SafeFileHandle file)
    {
        long size = RandomAccess.GetLength(file);
        if (size > 2 * CodeWriter.MaximumLength)
        {
            throw new CodeException(CodeFailure.WrongFormat, $"The file has {size} bytes, more than sealed code ever has.");
        }

        byte[] content = ArrayPool<byte>.Shared.Rent((int)size);
        int read = 0;
        while (read < size)
        {
            int more = RandomAccess.Read(file, content.AsSpan(read, (int)size - read), read);
            if (more == 0)
            {
                throw new CodeException(CodeFailure.Unexpected, "A sealed file ended before its own size.");
            }

            read += more;
        }

        return (content, (int)size);
    }
}
