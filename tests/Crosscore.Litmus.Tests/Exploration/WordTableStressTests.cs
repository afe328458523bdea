using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Explorations;

/// <summary>
/// Threads that number the same words at the same time agree on every number, and nothing is lost when the table is
/// full and grows between rounds.
/// </summary>
public class WordTableStressTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Threads_agree_on_the_number_of_every_word(int workers)
    {
        const int words = 2000;
        using var team = new WorkerTeam(workers);
        for (int round = 0; round < 100; round++)
        {
            var table = new WordTable();
            uint[][] numbers = [.. Enumerable.Range(0, workers).Select(_ => new uint[words])];
            int[] done = new int[workers];
            NumberSpare[] spares = [.. Enumerable.Range(0, workers).Select(_ => new NumberSpare())];
            while (done.Any(count => count < words))
            {
                team.Run(worker =>
                {
                    // All take the words in the same order, so that most meet in the same slot at the same time.
                    for (; done[worker] < words; done[worker]++)
                    {
                        if (!table.TryNumber(Word(done[worker]), spares[worker], out numbers[worker][done[worker]]))
                        {
                            return;
                        }

                        // What another thread has numbered can be read at once.
                        if (table[numbers[worker][done[worker]]] != Word(done[worker]))
                        {
                            throw new InvalidOperationException("A number stands for another word.");
                        }
                    }
                });
                table.Grow();
            }

            Assert.All(numbers, others => Assert.Equal(numbers[0], others));
            Assert.Equal(words, numbers[0].Distinct().Count());
            Assert.Equal(words, table.Count - spares.Count(spare => spare.Number >= 0));
            Assert.All(Enumerable.Range(0, words), index => Assert.Equal(Word(index), table[numbers[0][index]]));
        }

        ulong Word(int index) => (ulong)(index + 1) * 0x1_0000_0001;
    }

    [Fact]
    public void A_failure_of_one_thread_reaches_the_caller_and_the_team_continues()
    {
        using var team = new WorkerTeam(3);
        Assert.Throws<ArithmeticException>(() =>
            team.Run(worker =>
            {
                if (worker == 2)
                {
                    throw new ArithmeticException();
                }
            })
        );
        int calls = 0;
        team.Run(_ => Interlocked.Increment(ref calls));
        Assert.Equal(3, calls);
    }
}
