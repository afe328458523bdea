using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>
/// Machine code that nothing can change any more: the bytes lie in a memory file that the kernel has sealed against
/// writing and resizing, and against further seals. <see cref="Install"/> maps it for execution. At no time is any of
/// it writable and executable at once.
/// </summary>
/// <remarks>
/// <para>Source: memfd_create(2); fcntl(2), "File Sealing". A sealed file refuses write, ftruncate and a writable
/// shared mapping with EPERM, whoever holds a descriptor that could write (the one that is handed over here only
/// reads), and writing through a mapping of it cannot be forced even through /proc/self/mem. Before it is sealed a
/// process of the same user can change it; what was changed then is refused (docs/security.md).</para>
/// <para>The file may be handed to another process, which then runs exactly these bytes without making any executable
/// memory of its own: <see cref="Export"/> and <see cref="Import"/>, or <see cref="SendTo"/> and
/// <see cref="ReceiveFrom"/>.</para>
/// </remarks>
public sealed class SealedCode : IDisposable
{
    internal const int FinalSeals = SealedFile.FinalSeals;

    private readonly SealedFile _file;
    private readonly CodeFunction[] _functions;

    private SealedCode(SealedFile file, int length, CodeFunction[] functions, string? name)
    {
        _file = file;
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

    internal SafeFileHandle File => _file.Handle;

    /// <summary>Seals a single function without a name. <see cref="CodeWriter"/> puts many into one segment.</summary>
    /// <param name="code">Position-independent machine code for this processor; at least one byte. Later changes to the
    /// span's memory have no effect.</param>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for
    /// none.</param>
    /// <exception cref="ArgumentException"><paramref name="code"/> is empty.</exception>
    /// <exception cref="CodeException">Not Linux on x86-64 or arm64; or the kernel, a sandbox or the verifier
    /// refused.</exception>
    public static SealedCode Seal(ReadOnlySpan<byte> code, ICodeVerifier? verifier = null)
    {
        var writer = new CodeWriter();
        _ = writer.Append(code);
        return writer.Seal(verifier);
    }

    /// <summary>
    /// Takes over sealed code from a descriptor, as another process hands it over, after having checked that nobody can
    /// change it any more (all four seals), that it is such a file and for this machine, that every entry point lies in
    /// the code, and, if asked, the digest and a verifier of this process.
    /// </summary>
    /// <param name="file">The descriptor; it stays the caller's, this object has its own.</param>
    /// <param name="sha256">The digest that <see cref="Digest"/> gave the sender, by a way that is trusted more than
    /// this one; empty for none.</param>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for
    /// none.</param>
    /// <exception cref="ArgumentException"><paramref name="sha256"/> is neither empty nor 32 bytes.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="file"/> is closed.</exception>
    /// <exception cref="CodeException">
    /// The file is not as above, there is no memory for it, or the verifier refused.
    /// </exception>
    /// <remarks>
    /// /proc/PID/maps, perf and core dumps show the name that the sender gave to the memory file, which can be
    /// anything, and not <see cref="Name"/>, which was checked.
    /// </remarks>
    public static SealedCode Import(
        SafeFileHandle file,
        ReadOnlySpan<byte> sha256 = default,
        ICodeVerifier? verifier = null
    )
    {
        ArgumentNullException.ThrowIfNull(file);
        if (!sha256.IsEmpty && sha256.Length != SHA256.HashSizeInBytes)
        {
            throw new ArgumentException($"A SHA-256 digest has {SHA256.HashSizeInBytes} bytes.", nameof(sha256));
        }

        DemandPlatform();

        // Seals first of all: from here on neither the size nor a byte can change between a check and its use.
        var own = SealedFile.Adopt(file);
        try
        {
            // The header before anything that the sender's numbers can make long, and no byte of code before its
            // digest.
            CodeFile.Layout layout = CodeFile.ReadLayout(own);
            if (!sha256.IsEmpty && !CryptographicOperations.FixedTimeEquals(own.Digest(), sha256))
            {
                throw new CodeException(
                    CodeFailure.WrongDigest,
                    "The file's SHA-256 digest is not the one " + "expected: it is other code than the sender spoke of."
                );
            }

            (string? name, CodeFunction[] functions) = CodeFile.ReadTable(own, layout);
            if (verifier is not null)
            {
                ShowTo(verifier, own, layout.CodeLength, functions);
            }

            return new SealedCode(own, layout.CodeLength, functions, name);
        }
        catch (OutOfMemoryException lack)
        {
            own.Dispose();
            throw CodeRefusal.ManagedMemory($"The sealed file of {own.Size} bytes could not be read", lack);
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Receives sealed code that another process sent with <see cref="SendTo"/>, and checks it as <see cref="Import"/>
    /// does.
    /// </summary>
    /// <param name="socket">
    /// A connected Unix-domain socket. Waits until something arrives, for as long as its
    /// <see cref="System.Net.Sockets.Socket.ReceiveTimeout"/> allows, which is for ever unless it was set. Credentials
    /// and labels that the socket was told to receive (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD) are passed over.
    /// </param>
    /// <param name="sha256">As for <see cref="Import"/>.</param>
    /// <param name="verifier">As for <see cref="Import"/>.</param>
    /// <exception cref="IOException">
    /// The sender is gone, nothing came in time (the inner exception is a
    /// <see cref="System.Net.Sockets.SocketException"/> with TimedOut), or what came carried no descriptor or several.
    /// A message has one byte: of a stream each byte without a descriptor gives this exception once.
    /// </exception>
    /// <remarks>
    /// Descriptors that are refused are closed on a thread of their own, because closing one may wait for its sender.
    /// While 256 of them are open, nothing is received (<see cref="IOException"/>).
    /// </remarks>
    /// <exception cref="ObjectDisposedException">The socket was disposed of, before or during the call.</exception>
    /// <exception cref="CodeException">The file is not sealed code, or was refused.</exception>
    public static SealedCode ReceiveFrom(
        System.Net.Sockets.Socket socket,
        ReadOnlySpan<byte> sha256 = default,
        ICodeVerifier? verifier = null
    )
    {
        ArgumentNullException.ThrowIfNull(socket);
        using SafeFileHandle file = CodeTransfer.Receive(socket);
        return Import(file, sha256, verifier);
    }

    /// <summary>
    /// Maps the code readable and executable, at addresses where nothing was mapped, within reach of a 32-bit
    /// displacement from the runtime and the C library where there is room. Each call makes a mapping of its own.
    /// Interrupts no other thread.
    /// </summary>
    /// <remarks>
    /// No core can hold old instructions of these addresses: either nothing was ever mapped there, or every core has
    /// been serialised since. So no barrier is needed before the first call: publish an address as any other data, with
    /// a release store. On arm64 the caches are cleaned and the siblings' cores synchronised inside, once a call.
    /// Afterwards this object may be disposed of; the mapping keeps the bytes.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">
    /// Refused, or there is no memory for its names; the message says why. Nothing is mapped.
    /// </exception>
    public InstalledCode Install()
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        _file.DemandUnchanged();
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
        catch (OutOfMemoryException lack)
        {
            range.Free(address, mapped, gap);
            throw CodeRefusal.ManagedMemory("The names of the code could not be published", lack);
        }
        catch
        {
            range.Free(address, mapped, gap);
            throw;
        }
    }

    /// <summary>
    /// A descriptor of the sealed file for another process. Whoever holds it can read and map the code, and nothing
    /// else.
    /// </summary>
    /// <param name="inheritable">Whether a program that this process starts inherits it under the same number;
    /// otherwise execve closes it.</param>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">Too many open files, or the descriptor of this object was replaced.</exception>
    public SafeFileHandle Export(bool inheritable = false)
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        _file.DemandUnchanged();
        return SealedFile.Duplicate(File, closeOnExec: !inheritable);
    }

    /// <summary>
    /// Sends the sealed file to the process at the other end, which takes it with <see cref="ReceiveFrom"/>, or with
    /// recvmsg(2) and SCM_RIGHTS: one byte and one descriptor.
    /// </summary>
    /// <param name="socket">
    /// A connected Unix-domain socket. Waits while its buffer is full, for as long as its
    /// <see cref="System.Net.Sockets.Socket.SendTimeout"/> allows.
    /// </param>
    /// <exception cref="ObjectDisposedException">This object or the socket was disposed of.</exception>
    /// <exception cref="IOException">The socket refused it, or the time was over.</exception>
    public void SendTo(System.Net.Sockets.Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        _file.DemandUnchanged();
        CodeTransfer.Send(socket, File);
    }

    /// <summary>The SHA-256 digest of the whole file, the table of entry points included.</summary>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">The descriptor of this object was replaced.</exception>
    public byte[] Digest()
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        _file.DemandUnchanged();
        return _file.Digest();
    }

    /// <summary>Closes the memory file. Installed code stays installed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>Seals a file's content that <see cref="CodeFile.Complete"/> has made.</summary>
    internal static SealedCode Create(
        ReadOnlySpan<byte> content,
        int length,
        CodeFunction[] functions,
        string? name,
        ICodeVerifier? verifier
    )
    {
        DemandPlatform();
        var file = SealedFile.Create(name, content);
        try
        {
            if (verifier is not null)
            {
                ShowTo(verifier, file, length, functions);
            }

            return new SealedCode(file, length, functions, name);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Shows the sealed bytes, read back: the writer's memory can still change, this cannot. Not through a mapping,
    /// because taking one away interrupts other cores. Exactly the code's pages, never what an earlier renter left in
    /// the array.
    /// </summary>
    private static void ShowTo(ICodeVerifier verifier, SealedFile file, int length, CodeFunction[] functions)
    {
        int pages = CodeFile.WholePages(length);
        byte[] copy = ArrayPool<byte>.Shared.Rent(pages);
        try
        {
            Span<byte> bytes = copy.AsSpan(0, pages);
            file.Read(bytes, 0);
            var code = new CodeToVerify(bytes, functions, RuntimeInformation.ProcessArchitecture);
            CodeVerdict verdict = verifier.Verify(code);
            if (!verdict.IsAccepted)
            {
                throw new CodeException(
                    CodeFailure.VerifierRefused,
                    $"The verifier refused the code: " + $"{verdict.Reason}"
                );
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private static void DemandPlatform()
    {
        if (
            !OperatingSystem.IsLinux()
            || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64)
        )
        {
            throw new CodeException(CodeFailure.WrongPlatform, "Sealed code needs Linux on x86-64 or arm64.");
        }
    }
}
