using System.Numerics;
using Crosscore.Isa;

namespace Crosscore.Code;

/// <summary>
/// Where the instructions of live code begin. It only grows: a patch may begin instructions where none began, never the
/// reverse. So a thread may be stopped anywhere, for any time, during any number of patches: an instruction still
/// begins where it continues.
/// </summary>
internal sealed class InstructionMap
{
    private const int MaxInstructionBytes = 15;

    private readonly ulong[] _begins; // A bit for each byte, and one for the end.

    private InstructionMap(int length) => _begins = new ulong[(length / 64) + 1];

    /// <summary>Decodes code from its start to its end, and from the start of each function.</summary>
    /// <exception cref="CodeException">Some bytes are not known to be instructions, or a function does not begin where
    /// one does.</exception>
    public static InstructionMap Of(ReadOnlySpan<byte> code, ReadOnlySpan<CodeFunction> functions)
    {
        var map = new InstructionMap(code.Length);
        for (int at = 0; at < code.Length; )
        {
            if (!X86_64Decoder.TryDecode(code[at..], out X86_64Instruction instruction))
            {
                throw new CodeException(
                    CodeFailure.UnknownInstruction,
                    $"At {at} there is no instruction that this library knows: {Hexadecimal(code, at)}. Live code "
                        + "consists of instructions alone; keep data elsewhere."
                );
            }

            map.Add(at);
            at += instruction.Length;
        }

        map.Add(code.Length);
        foreach (CodeFunction function in functions)
        {
            if (!map.Begins(function.Offset))
            {
                throw new CodeException(
                    CodeFailure.UnknownInstruction,
                    $"Function '{function.Name}' begins at {function.Offset}, in the middle of an instruction of what "
                        + "stands before it."
                );
            }
        }

        return map;
    }

    /// <summary>Whether an instruction begins there, or the code ends.</summary>
    public bool Begins(int offset) => (_begins[offset >> 6] >> offset & 1) != 0;

    /// <summary>Gets the number of starts, the end included.</summary>
    public int Starts { get; private set; }

    public void Add(int offset)
    {
        Starts += Begins(offset) ? 0 : 1;
        _begins[offset >> 6] |= 1ul << offset;
    }

    /// <summary>
    /// Returns the start of the instruction that a byte belongs to. An instruction has 15 bytes at most, so two words
    /// are enough, here and below.
    /// </summary>
    public int StartOf(int offset)
    {
        int word = offset >> 6;
        ulong upToHere = _begins[word] << (63 - (offset & 63));
        return upToHere != 0
            ? offset - BitOperations.LeadingZeroCount(upToHere)
            : (word * 64) - 1 - BitOperations.LeadingZeroCount(_begins[word - 1]);
    }

    /// <summary>Returns the next start behind a byte.</summary>
    public int EndOf(int offset)
    {
        int next = offset + 1;
        int word = next >> 6;
        ulong fromHere = _begins[word] >> next;
        return fromHere != 0
            ? next + BitOperations.TrailingZeroCount(fromHere)
            : ((word + 1) * 64) + BitOperations.TrailingZeroCount(_begins[word + 1]);
    }

    public static string Hexadecimal(ReadOnlySpan<byte> code, int at) =>
        Convert.ToHexString(code.Slice(at, Math.Min(MaxInstructionBytes, code.Length - at)));
}
