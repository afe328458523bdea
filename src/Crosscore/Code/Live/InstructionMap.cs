using System.Collections;

namespace Crosscore.Code;

/// <summary>
/// Where the instructions of live code begin. It only ever grows: a patch may begin instructions where none began, never the other way round. That is what makes it safe that a
/// thread is stopped anywhere, for any time, during any number of patches: wherever it was about to go on, an instruction still begins.
/// </summary>
internal sealed class InstructionMap
{
    private const int LongestInstruction = 15;

    private readonly BitArray _begins;

    private InstructionMap(int length) => _begins = new BitArray(length + 1);

    /// <summary>Decodes code from its start to its end, and from the start of each function.</summary>
    /// <exception cref="CodeException">Some bytes are not known to be instructions, or a function does not begin where one does.</exception>
    public static InstructionMap Of(ReadOnlySpan<byte> code, ReadOnlySpan<CodeFunction> functions)
    {
        var map = new InstructionMap(code.Length);
        for (int at = 0; at < code.Length;)
        {
            if (!X86Decoder.TryDecode(code[at..], out X86Instruction instruction))
            {
                throw new CodeException(
                    CodeFailure.UnknownInstruction,
                    $"At {at} there is no instruction that this library knows: {Hexadecimal(code, at)}. Live code consists of instructions alone; keep data elsewhere.");
            }

            map._begins[at] = true;
            at += instruction.Length;
        }

        map._begins[code.Length] = true;
        foreach (CodeFunction function in functions)
        {
            if (!map._begins[function.Offset])
            {
                throw new CodeException(CodeFailure.UnknownInstruction, $"Function '{function.Name}' begins at {function.Offset}, in the middle of an instruction of what stands before it.");
            }
        }

        return map;
    }

    /// <summary>Whether an instruction begins there, or the code ends.</summary>
    public bool Begins(int offset) => _begins[offset];

    public void Add(int offset) => _begins[offset] = true;

    /// <summary>The start of the instruction that a byte belongs to.</summary>
    public int StartOf(int offset)
    {
        while (!_begins[offset])
        {
            offset--;
        }

        return offset;
    }

    /// <summary>The next start behind a byte.</summary>
    public int EndOf(int offset)
    {
        do
        {
            offset++;
        }
        while (!_begins[offset]);

        return offset;
    }

    public static string Hexadecimal(ReadOnlySpan<byte> code, int at) => Convert.ToHexString(code.Slice(at, Math.Min(LongestInstruction, code.Length - at)));
}
