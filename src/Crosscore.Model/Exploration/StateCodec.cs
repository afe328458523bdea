namespace Crosscore.Model.Exploration;

/// <summary>
/// Turns states into records of at most three words and back, exactly. A wide state is folded: the numbers
/// (<see cref="WordTable"/>) of two words make one word, for as many words as it takes; if three words are not enough
/// for the numbers of all, they are folded again.
/// </summary>
/// <remarks>
/// The words of a state and of all its foldings, one level after the other, are its tree:
/// <code>
/// level 0   w0   w1   w2   w3   w4   w5   w6                  the state
/// level 1   #w0 #w1   #w2 #w3   #w4 #w5   #w6 0
/// level 2   #w0 #w1   #w2 #w3   #(#w4 #w5) #(#w6 0)           the record
/// </code>
/// Successors are folded beside the tree of the state that they come from: where a word is the same, so is its number,
/// which spares most look-ups.
/// </remarks>
internal sealed class StateCodec
{
    // 24 bytes, so that with the index (StateIndex) a state costs less than 32.
    private const int MostRecordWords = 3;

    private readonly WordTable? _table;
    private readonly Level[] _levels;

    public StateCodec(int words)
    {
        var levels = new List<Level>();
        int count = words;
        int first = 0;
        while (count > MostRecordWords)
        {
            // A pair of numbers saves one word; more pairs than that would be work for nothing.
            int kept = Math.Max(0, (2 * MostRecordWords) - count);
            levels.Add(new Level(first, count, kept));
            first += count;
            count = kept + ((count - kept + 1) / 2);
        }

        Words = words;
        RecordWords = count;
        TreeWords = first + count;
        _levels = [.. levels];
        _table = levels.Count > 0 ? new WordTable() : null;
    }

    /// <summary>Words of a state.</summary>
    public int Words { get; }

    /// <summary>Words of a record.</summary>
    public int RecordWords { get; }

    /// <summary>
    /// Words of a tree, whose first <see cref="Words"/> are the state and whose last <see cref="RecordWords"/> the
    /// record.
    /// </summary>
    public int TreeWords { get; }

    /// <summary>Bytes held for the words of all states.</summary>
    public long Bytes => _table?.Bytes ?? 0;

    /// <summary>Bytes that would be held right after <see cref="Grow"/>.</summary>
    public long BytesAfterGrowth => _table?.BytesAfterGrowth ?? 0;

    /// <summary>Makes room after a <see cref="TryFold"/> that failed, while no other thread folds or unfolds.</summary>
    public void Grow() => _table!.Grow();

    /// <summary>Completes a tree from its record.</summary>
    public void Unfold(ReadOnlySpan<ulong> record, Span<ulong> tree)
    {
        record.CopyTo(tree[^RecordWords..]);
        for (int index = _levels.Length - 1; index >= 0; index--)
        {
            Level level = _levels[index];
            Span<ulong> words = tree.Slice(level.First, level.Words);
            ReadOnlySpan<ulong> folded = tree[(level.First + level.Words)..];
            folded[..level.Kept].CopyTo(words);
            for (int word = level.Kept; word < words.Length; word++)
            {
                words[word] = _table![level.NumberOf(word, folded)];
            }
        }
    }

    /// <summary>Completes a tree from its state, which lies in its first words.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="origin">The complete tree of a state that differs little, or empty.</param>
    /// <param name="spare">This thread's own.</param>
    /// <returns><see langword="false"/> when there is no room for a new word (<see cref="Grow"/>).</returns>
    public bool TryFold(Span<ulong> tree, ReadOnlySpan<ulong> origin, NumberSpare spare)
    {
        foreach (Level level in _levels)
        {
            int next = level.First + level.Words;
            ReadOnlySpan<ulong> words = tree.Slice(level.First, level.Words);
            Span<ulong> folded = tree[next..];
            words[..level.Kept].CopyTo(folded);
            for (int word = level.Kept; word < words.Length; word++)
            {
                uint number;
                if (!origin.IsEmpty && words[word] == origin[level.First + word])
                {
                    number = level.NumberOf(word, origin[next..]);
                }
                else if (!_table!.TryNumber(words[word], spare, out number))
                {
                    return false;
                }

                int half = word - level.Kept;
                ref ulong pair = ref folded[level.Kept + (half / 2)];
                pair = (half & 1) == 0 ? number : pair | ((ulong)number << 32);
            }
        }

        return true;
    }

    /// <summary>
    /// How the words of one level become those of the next: the first ones are kept, the others give way to their
    /// numbers, two of which make a word.
    /// </summary>
    private readonly record struct Level(int First, int Words, int Kept)
    {
        public uint NumberOf(int word, ReadOnlySpan<ulong> folded)
        {
            int half = word - Kept;
            return (uint)(folded[Kept + (half / 2)] >> (32 * (half & 1)));
        }
    }
}
