using System.Buffers;
using System.Runtime.InteropServices;
using Crosscore.Linux;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>
/// Machine code that nothing can change any more: the bytes lie in a memory file that the kernel has sealed against
/// writing and resizing, and against further seals. <see cref="Install"/> maps it for execution. At no time is any of
/// it writable and executable at once.
/// </summary>
/// <remarks>
/// <para>Source: memfd_create(2); fcntl(2), "File Sealing". A sealed file refuses write, ftruncate and a writable
/// shared mapping with EPERM, even to a process that holds a descriptor that could write (the one that is handed over
/// here only reads), and writing through a mapping of it cannot be forced even through /proc/self/mem. Before it is
/// sealed, a process of the same user can change it; a file that was changed then is refused (docs/security.md).</para>
/// <para><see cref="CodeTransfer"/> hands the file to another process, which then runs exactly these bytes without
/// making any executable memory.</para>
/// </remarks>
/// <example>
/// <code>
/// byte[] bytes = [0xB8, 42, 0, 0, 0, 0xC3]; // x86-64: mov eax, 42; ret
/// using SealedCode code = SealedCode.Seal(bytes);
/// using InstalledCode installed = code.Install();
/// int answer = ((delegate* unmanaged&lt;int&gt;)installed.Address)();
/// </code>
/// </example>
public sealed class SealedCode : IDisposable
{
    private readonly SealedFile _file;
    private readonly CodeFunction[] _functions;

    internal SealedCode(SealedFile file, int length, CodeFunction[] functions, string? name)
    {
        _file = file;
        Length = length;
        Name = name;
        _functions = functions;
    }

    /// <summary>Gets the segment's name, or <see langword="null"/>.</summary>
    public string? Name { get; }

    /// <summary>Gets the number of bytes that were given, without the filling up to the end of the page.</summary>
    public int Length { get; }

    /// <summary>Gets the functions and entry points, in the order in which they were added.</summary>
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
    /// Maps the code readable and executable, at addresses where nothing was mapped, within reach of a 32-bit
    /// displacement from the runtime and the C library where there is room. Each call makes another mapping.
    /// Interrupts no other thread.
    /// </summary>
    /// <remarks>
    /// No core can hold old instructions of these addresses: either nothing was ever mapped there, or every core has
    /// been serialized since. So no barrier is needed before the first call: publish an address as any other data, with
    /// a release store. On arm64 each call cleans the caches and synchronizes the siblings' cores. Afterwards this
    /// object may be disposed of; the mapping keeps the bytes.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">
    /// The system refused, or there is no memory for the names; the message says why. Nothing is mapped.
    /// </exception>
    public InstalledCode Install() => Map(hasData: false);

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
        RequirePlatform();
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
    /// Installs the code, and behind its pages as many bytes of zeros that are writable and never executable.
    /// </summary>
    internal InstalledCode InstallWithData() => Map(hasData: true);

    /// <summary>Gets the file, after a check that its descriptor still leads to it.</summary>
    /// <exception cref="ObjectDisposedException">This object was disposed of.</exception>
    /// <exception cref="CodeException">The descriptor was replaced.</exception>
    internal SealedFile CheckedFile()
    {
        ObjectDisposedException.ThrowIf(File.IsClosed, this);
        _file.RequireUnchanged();
        return _file;
    }

    /// <summary>
    /// Shows the sealed bytes to a verifier, read back: the writer's memory can still change, these cannot. Not through
    /// a mapping, because taking one away interrupts other cores. Exactly the code's pages, never what an earlier
    /// renter left in the array.
    /// </summary>
    internal static void ShowTo(ICodeVerifier verifier, SealedFile file, int length, CodeFunction[] functions)
    {
        int pages = Pages.RoundUp(length);
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
                    $"The verifier refused the code: {verdict.Reason}"
                );
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    internal static void RequirePlatform()
    {
        if (
            !OperatingSystem.IsLinux()
            || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64)
        )
        {
            throw new CodeException(CodeFailure.WrongPlatform, "Sealed code needs Linux on x86-64 or arm64.");
        }
    }

    private InstalledCode Map(bool hasData)
    {
        _ = CheckedFile();
        int pages = Pages.RoundUp(Length);
        CodeRange range = CodeRange.OfThisProcess;

        // The filling of the last page traps. If nothing fills it, the addresses after it stay without access.
        CodePlace place = hasData
            ? new(range, range.MapCodeAndData(File, pages), pages, DataLength: pages, Gap: 0)
            : Place(range, pages, gap: pages == Length ? Pages.Size : 0);
        try
        {
            InstructionCaches.MakeFetchable(place.Address, pages);
            return new InstalledCode(place, new CodeSegment(place.Address, Length, Name, _functions));
        }
        catch (OutOfMemoryException lack)
        {
            place.Free();
            throw CodeRefusal.ManagedMemory("The names of the code could not be published", lack);
        }
        catch
        {
            place.Free();
            throw;
        }
    }

    private CodePlace Place(CodeRange range, int pages, int gap) =>
        new(range, range.MapCode(File, pages, gap), pages, DataLength: 0, gap);
}
