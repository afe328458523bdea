using System.Buffers.Binary;

namespace Crosscore.Code;

/// <summary>Machine code written by hand, with labels: every jump has four bytes of distance.</summary>
internal sealed class CodeEmitter
{
    private readonly List<byte> _code = [];
    private readonly Dictionary<string, int> _labels = [];
    private readonly List<(int At, string Label)> _jumps = [];

    public CodeEmitter Bytes(params ReadOnlySpan<byte> bytes)
    {
        _code.AddRange(bytes);
        return this;
    }

    public CodeEmitter Number(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return Bytes(bytes);
    }

    public CodeEmitter Label(string name)
    {
        _labels.Add(name, _code.Count);
        return this;
    }

    public CodeEmitter Jump(string label, params ReadOnlySpan<byte> opcode)
    {
        Bytes(opcode);
        _jumps.Add((_code.Count, label));
        return Bytes(0, 0, 0, 0);
    }

    public byte[] ToArray()
    {
        byte[] code = [.. _code];
        foreach ((int at, string label) in _jumps)
        {
            BinaryPrimitives.WriteInt32LittleEndian(code.AsSpan(at), _labels[label] - (at + 4));
        }

        return code;
    }
}
