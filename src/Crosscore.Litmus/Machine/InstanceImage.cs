using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// The initial contents of a test's memory, ready to be written to any place: bytes, and the addresses among them that
/// depend on the place.
/// </summary>
internal sealed unsafe class InstanceImage
{
    private readonly byte[] _bytes;
    private readonly List<(int Offset, ulong Target)> _addresses = [];

    /// <summary>Makes the image.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    public InstanceImage(LitmusTest test, MemoryLayout layout)
    {
        _bytes = new byte[layout.Size];
        foreach (Variable variable in test.Variables)
        {
            for (int element = 0; element < variable.InitialValues.Count; element++)
            {
                int offset = layout.OffsetOf(variable.Name) + (element * variable.Type.Width);
                InitialValue value = variable.InitialValues[element];
                if (value.AddressOf is not null)
                {
                    _addresses.Add((offset, layout.Resolve(value, 0)));
                    continue;
                }

                for (int index = 0; index < variable.Type.Width; index++)
                {
                    _bytes[offset + index] = (byte)(value.Number >> (8 * index));
                }
            }
        }
    }

    /// <summary>Writes it.</summary>
    /// <param name="start">As many bytes as the layout has.</param>
    public void WriteTo(byte* start)
    {
        // SAFETY: the caller's block has an instance of the layout's size there; addresses are cells of eight bytes
        // inside it.
        _bytes.CopyTo(new Span<byte>(start, _bytes.Length));
        foreach ((int offset, ulong target) in _addresses)
        {
            *(ulong*)(start + offset) = (ulong)start + target;
        }
    }
}
