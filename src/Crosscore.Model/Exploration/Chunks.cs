using System.Runtime.CompilerServices;

namespace Crosscore.Model.Exploration;

/// <summary>A list that only grows, and never copies more than its first few items to do so.</summary>
internal sealed class Chunks<T>
    where T : unmanaged
{
    /// <summary>The items of a full chunk.</summary>
    public const int Length = 1 << Bits;

    private const int Bits = 12;
    private const int LeastLength = 16;

    private T[][] _chunks = [];
    private int _used;

    /// <summary>How many items there are.</summary>
    public long Count { get; private set; }

    /// <summary>Bytes held.</summary>
    public long Bytes =>
        _used == 0 ? 0 : (((long)(_used - 1) * Length) + _chunks[_used - 1].Length) * Unsafe.SizeOf<T>();

    public T this[long index] => _chunks[index >> Bits][index & (Length - 1)];

    public void Add(T item)
    {
        int place = (int)(Count & (Length - 1));
        if (place == 0 && Count >> Bits == _used)
        {
            Array.Resize(ref _chunks, Math.Max(1, _chunks.Length > _used ? _chunks.Length : 2 * _used));
            _chunks[_used++] = new T[Count == 0 ? LeastLength : Length];
        }
        else if (place == _chunks[_used - 1].Length)
        {
            Array.Resize(ref _chunks[_used - 1], 2 * place);
        }

        _chunks[_used - 1][place] = item;
        Count++;
    }

    public void Add(ReadOnlySpan<T> items)
    {
        foreach (T item in items)
        {
            Add(item);
        }
    }
}
