using Crosscore.Isa;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// Collects position-independent machine code, function by function, in ordinary memory. It has no executable side:
/// <see cref="Seal"/> copies what it holds to where nothing can change it, and only that copy can be installed.
/// </summary>
/// <remarks>
/// Between the functions lie instructions that trap, so a thread that runs off the end of one does not enter the next.
/// Functions of one segment may call each other by relative displacements, because their distances do not change. Not
/// safe for use by several threads.
/// </remarks>
public sealed class CodeWriter
{
    /// <summary>
    /// The maximum number of bytes of a segment, 64 MiB. Several segments hold more, and can be reclaimed one by one.
    /// </summary>
    public const int MaxLength = 64 << 20;

    /// <summary>The maximum number of functions and entry points of a segment, 1,048,576.</summary>
    public const int MaxFunctions = CodeFile.MaxFunctions;

    /// <summary>
    /// The default alignment of functions: a cache line of every processor this library runs on.
    /// </summary>
    public const int DefaultAlignment = 64;

    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private byte[] _buffer = [];
    private CodeFunction[] _functions = [];
    private int _count;
    private int _nameBytes;

    /// <summary>Begins a segment.</summary>
    /// <param name="name">What /proc/PID/maps, perf and core dumps call the segment, or <see langword="null"/>: 200
    /// bytes of UTF-8 at most, no characters that control text or are shown as nothing (Unicode's categories Cc,
    /// Cf, Zl, Zp, Co, Cn and its Default_Ignorable_Code_Point).</param>
    /// <exception cref="ArgumentException"><paramref name="name"/> is no such name.</exception>
    public CodeWriter(string? name = null)
    {
        if (
            name is not null
            && !(CodeFile.IsName(name, out int bytes) && bytes is > 0 and <= CodeFile.MaxSegmentNameBytes)
        )
        {
            throw new ArgumentException(
                $"A segment's name has 1 to {CodeFile.MaxSegmentNameBytes} bytes of UTF-8, whole characters, and none "
                    + "that controls text or is shown as nothing.",
                nameof(name)
            );
        }

        Name = name;
    }

    /// <summary>Gets the segment's name.</summary>
    public string? Name { get; }

    /// <summary>Gets the number of bytes so far, from the start of the first function to the end of the last.</summary>
    public int Length { get; private set; }

    /// <summary>The bytes so far.</summary>
    internal ReadOnlySpan<byte> Bytes => _buffer.AsSpan(0, Length);

    /// <summary>Gets the functions and entry points so far, in the order in which they were added.</summary>
    public IReadOnlyList<CodeFunction> Functions => new ArraySegment<CodeFunction>(_functions, 0, _count);

    /// <summary>Adds a function; its first byte is where it is entered. The bytes are copied.</summary>
    /// <param name="code">Whole position-independent instructions for this processor.</param>
    /// <param name="name">Its name, or <see langword="null"/>.</param>
    /// <param name="alignment">Of its first byte: a power of two up to the size of a page.</param>
    /// <exception cref="ArgumentException">
    /// No code, no such alignment, or a name that is empty, longer than 1024 bytes of UTF-8 or contains a character
    /// that controls text or is shown as nothing.
    /// </exception>
    /// <exception cref="CodeException">
    /// The segment has a function of that name, or would exceed <see cref="MaxLength"/>,
    /// <see cref="MaxFunctions"/> or 32 MiB of names; nothing was added.
    /// </exception>
    public CodeFunction Append(ReadOnlySpan<byte> code, string? name = null, int alignment = DefaultAlignment)
    {
        if (code.IsEmpty)
        {
            throw new ArgumentException("A function has at least one byte.", nameof(code));
        }

        if (!System.Numerics.BitOperations.IsPow2(alignment) || alignment > Pages.Size)
        {
            throw new ArgumentException("An alignment is a power of two up to the size of a page.", nameof(alignment));
        }

        int start = (Length + alignment - 1) & -alignment; // Far from overflowing: Length stays below MaxLength.
        if (code.Length > MaxLength - start)
        {
            throw new CodeException(
                CodeFailure.OutOfAddresses,
                $"A segment of {(long)start + code.Length} bytes is asked for; {MaxLength} is the most. Install "
                    + "several segments."
            );
        }

        RequireRoomForOne();
        if (name is not null)
        {
            AddName(name);
        }

        int end = start + code.Length;
        if (end > _buffer.Length)
        {
            Grow(end);
        }

        if (start != Length)
        {
            _buffer.AsSpan(Length, start - Length).Fill(NativeIsa.Trap);
        }

        code.CopyTo(_buffer.AsSpan(start));
        Length = end;
        return Add(new CodeFunction(name, start, code.Length));
    }

    /// <summary>Adds another entry point, inside a function that was added before.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="offset">Where it lies, in bytes from the start of the segment.</param>
    /// <exception cref="ArgumentException"> The name is empty, longer than 1024 bytes of UTF-8 or contains a character
    /// that controls text or is shown as nothing.
    /// </exception>
    /// <exception cref="CodeException">
    /// No function covers the offset, the segment has a function of that name, or would exceed
    /// <see cref="MaxFunctions"/> or 32 MiB of names; nothing was added.
    /// </exception>
    public CodeFunction AddEntryPoint(string name, int offset)
    {
        ArgumentNullException.ThrowIfNull(name);
        int around = _count - 1;
        while (
            around >= 0
            && !(_functions[around].Offset <= offset && offset - _functions[around].Offset < _functions[around].Length)
        )
        {
            around--;
        }

        if (around < 0)
        {
            throw new CodeException(
                CodeFailure.EntryPointOutside,
                $"The entry point '{name}' is to lie at {offset}, where no function is: the segment's {Length} bytes "
                    + "begin at 0, and between functions there are traps."
            );
        }

        RequireRoomForOne();
        AddName(name);
        return Add(new CodeFunction(name, offset, _functions[around].Offset + _functions[around].Length - offset));
    }

    /// <summary>
    /// Copies everything into a memory file and seals it; then no process can change it any more, this one included.
    /// The writer keeps what it has, and can be used further.
    /// </summary>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for
    /// none.</param>
    /// <exception cref="InvalidOperationException">There is no code.</exception>
    /// <exception cref="CodeException">The verifier, the kernel or a sandbox refused;
    /// <see cref="CodeException.Failure"/> says which. Nothing remains of it.</exception>
    public SealedCode Seal(ICodeVerifier? verifier = null)
    {
        if (_count == 0)
        {
            throw new InvalidOperationException("There is no code to seal.");
        }

        int bound = CodeFile.Bound(Length, _count, _nameBytes, Name);
        if (bound > _buffer.Length)
        {
            Grow(bound);
        }

        CodeFunction[] functions = _functions.AsSpan(0, _count).ToArray();
        int size = CodeFile.Complete(_buffer, Length, functions, Name);
        return SealedCode.Create(_buffer.AsSpan(0, size), Length, functions, Name, verifier);
    }

    /// <summary>
    /// Forgets everything that was added, and keeps the memory for the next segment of the same name.
    /// </summary>
    public void Clear()
    {
        _functions.AsSpan(0, _count).Clear(); // gives the names back to the collector
        _count = 0;
        _names.Clear();
        _nameBytes = 0;
        Length = 0;
    }

    private CodeFunction Add(CodeFunction function)
    {
        if (_count == _functions.Length)
        {
            Array.Resize(ref _functions, Math.Max(16, 2 * _count));
        }

        _functions[_count++] = function;
        return function;
    }

    /// <summary>What could be sealed but not be imported again is refused here, where it is added.</summary>
    private void RequireRoomForOne()
    {
        if (_count == MaxFunctions)
        {
            throw new CodeException(
                CodeFailure.OutOfAddresses,
                $"A segment has {MaxFunctions} functions at " + "most. Install several segments."
            );
        }
    }

    private void AddName(string name)
    {
        if (!(CodeFile.IsName(name, out int bytes) && bytes > 0))
        {
            throw new ArgumentException(
                $"A function's name has 1 to {CodeFile.MaxNameBytes} bytes of UTF-8, whole characters, and none that "
                    + "controls text or is shown as nothing.",
                nameof(name)
            );
        }

        if (bytes > CodeFile.MaxNamesBytes - _nameBytes)
        {
            throw new CodeException(
                CodeFailure.OutOfAddresses,
                $"The names of a segment would have {(long)_nameBytes + bytes} bytes; {CodeFile.MaxNamesBytes} are the "
                    + "most. Install several segments."
            );
        }

        if (!_names.Add(name))
        {
            throw new CodeException(CodeFailure.EntryPointName, $"The segment has a function called '{name}' already.");
        }

        _nameBytes += bytes;
    }

    private void Grow(int needed) =>
        Array.Resize(ref _buffer, Math.Max(needed, (int)Math.Min(2L * _buffer.Length, Array.MaxLength)));
}
